/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every finding: id, severity, who may repair it, the level it needs, its
 * title, and what --explain and the manual page add: whom it hurts, and what
 * the repair does.  Ids never change.  scripts/findings reads this, too: a
 * string a line, without quotes and backslashes inside.
 */

/*
 * S, structure: directories, folders, and what else stands among them.
 * What moves a whole folder, or needs to know the server, is nobody's.
 */
FINDING(S01, SEV_ERROR, FIX_DEMAND, LEVEL_NAMES,
    "not a Maildir: neither cur nor new",
    "Nothing can be delivered or read here. Repair makes cur, new and tmp.")
FINDING(S02, SEV_ERROR, FIX_PREEN, LEVEL_NAMES,
    "cur, new or tmp is missing",
    "Deliveries fail, or readers refuse the folder. Repair makes it, with "
    "mode and owner of the Maildir.")
FINDING(S03, SEV_FATAL, FIX_YES, LEVEL_NAMES,
    "cur, new or tmp is no directory",
    "A link there may lead readers out of the Maildir. Repair moves it to "
    "quarantine and makes a directory.")
FINDING(S04, SEV_ERROR, FIX_NONE, LEVEL_NAMES,
    "cur, new and tmp on different file systems",
    "No message can be moved from tmp to new: deliveries fail. Look at "
    "mounts.")
FINDING(S05, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "directory open to others or not to its owner",
    "Others can read the mail, or its owner cannot. Repair leaves it to the "
    "owner, and to the group of a shared Maildir.")
FINDING(S06, SEV_ERROR, FIX_DEMAND, LEVEL_NAMES,
    "directory of another owner or group",
    "Its owner may be unable to read or to deliver. Repair gives it the "
    "Maildir's, or those of --owner; that takes root.")
FINDING(S07, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "immutable, append-only or read-only",
    "Neither delivery nor repair works. Look at chattr(1), mount options and "
    "ACLs.")
FINDING(S08, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "directory inside cur, new or tmp",
    "Readers skip what is in it. Repair moves its messages up, the rest to "
    "quarantine.")
FINDING(S09, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "folder inside a folder",
    "Maildir++ has no such folders: its mail is invisible. Repair makes .A/.B "
    "the folder .A.B.")
FINDING(S10, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "Maildir inside the Maildir",
    "Its mail is invisible; often from a copy into the wrong directory. "
    "Repair moves the messages up.")
FINDING(S11, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "message outside of cur, new and tmp",
    "No reader sees it. Repair delivers it to new.")
FINDING(S12, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "dot file where folders are",
    "Some servers list it as a folder that cannot be opened. Keep it "
    "elsewhere.")
FINDING(S13, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "dot directory without cur, new and tmp",
    "Listed as a folder that cannot be opened. Repair removes it if nothing "
    "but empty directories is in it.")
FINDING(S14, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "folder without its maildirfolder file",
    "Deliveries take it for a Maildir of its own and forget the quota. Repair "
    "makes the file.")
FINDING(S15, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "maildirfolder in the root, or not empty",
    "In the root it sends quota to the directory above. Repair moves it to "
    "quarantine.")
FINDING(S16, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "illegal folder name",
    "An empty part, a dot at the end, control bytes: servers hide or misread "
    "it. Repair renames the folder.")
FINDING(S17, SEV_ERROR, FIX_NONE, LEVEL_NAMES,
    "folder name in a wrong encoding",
    "Not what IMAP servers write: clients show it wrongly or not at all. "
    "Rename it there.")
FINDING(S18, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "folder names that some systems take for one",
    "They differ only in case, accents or encoding. Rename one before a copy "
    "mixes them.")
FINDING(S19, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "two layouts of folders",
    "Dot folders and plain ones: a server sees only its kind. Move them to "
    "one layout.")
FINDING(S20, SEV_FATAL, FIX_NONE, LEVEL_NAMES,
    "symbolic link in the place of a folder",
    "It may lead to other people's files. It is never followed; look where it "
    "leads.")
FINDING(S21, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "unknown file or directory",
    "Nothing here knows what it is. It does no harm to mail.")
FINDING(S22, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "cur or new changed in the future",
    "Servers that go by this time miss new mail. Repair sets it to now.")
FINDING(S23, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "directory far larger than its entries",
    "It stays slow after a mass deletion. A copy of the folder, made with "
    "servers stopped, is small again.")
FINDING(S24, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "lost+found in the Maildir",
    "After fsck there may be mail in it: try --rescue.")

/*
 * T, what deliveries leave in tmp/, and locks.  Age counts from mtime or
 * ctime, whichever is later: a restore resets one, a copy the other.
 */
FINDING(T01, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "incomplete message in tmp, over 36 hours old",
    "A delivery died; its sender mostly tried again. Repair moves it to "
    "quarantine.")
FINDING(T02, SEV_FATAL, FIX_YES, LEVEL_NAMES,
    "complete message in tmp only",
    "A crash kept it out of new, and servers delete it after 36 hours. Repair "
    "delivers it.")
FINDING(T03, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "tmp name of a delivered message",
    "A crash between link and unlink. Repair takes this name away; the "
    "message keeps its other one.")
FINDING(T04, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "tmp copy of a delivered message",
    "A delivery was repeated. Repair moves the copy to quarantine.")
FINDING(T05, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "stale lock or temporary file",
    "Its program died, and others may wait for it. Repair moves it to "
    "quarantine.")
FINDING(T06, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "no regular file in tmp",
    "Nobody ever cleans it away. Repair moves it to quarantine.")
FINDING(T07, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "tmp file with a time in the future",
    "It never gets old enough to be cleaned away. Repair sets its time to "
    "now.")
FINDING(T08, SEV_INFO, FIX_PREEN, LEVEL_NAMES,
    "empty old file in tmp",
    "A delivery died before its first byte. Repair moves it to quarantine.")

/*
 * N, names.  The base name is what UIDL and UID hang on: whatever changes
 * it is -y's, what only changes the info is -p's.
 */
FINDING(N01, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "message in new and in cur",
    "Two copies with the same bytes: readers show both or hide one. Repair "
    "keeps the one in cur, the other goes to quarantine.")
FINDING(N02, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "one file under two names",
    "A rename was cut off. Repair keeps one name, with the flags of both.")
FINDING(N03, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "copies of a message with different flags",
    "From two machines, mostly. Repair keeps one with the flags of both, the "
    "other goes to quarantine.")
FINDING(N04, SEV_FATAL, FIX_YES, LEVEL_NAMES,
    "two messages with one base name",
    "Some readers hide one of them. Repair gives the later one a new name; "
    "both stay.")
FINDING(N05, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "no info in cur",
    "Some readers skip such a name. Repair appends :2, to it.")
FINDING(N06, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "info in new",
    "mutt, mbsync and others leave flags there on purpose. Nothing to repair.")
FINDING(N07, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "experimental info (:1,)",
    "Old clients wrote it; hardly any reads it. Nothing to repair.")
FINDING(N08, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "malformed info",
    "Readers disagree about the flags. Repair leaves :2, and the flags it "
    "understands.")
FINDING(N09, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "flags not in ASCII order",
    "Strict readers ignore them. Repair sorts them.")
FINDING(N10, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "flag given twice",
    "Tools that compare names see a difference. Repair leaves one.")
FINDING(N11, SEV_WARN, FIX_DEMAND, LEVEL_NAMES,
    "unknown flag",
    "Neither D F P R S T nor a keyword a-z. Some programs keep it, some drop "
    "it; repair drops it.")
FINDING(N12, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "keyword letter that stands for nothing",
    "dovecot-keywords has no line for it, so no client shows it. The letter "
    "stays.")
FINDING(N13, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "field behind the flags",
    "Dovecot may put one there. Nothing to repair.")
FINDING(N14, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "two info parts",
    "Some readers take the first, some the last. Repair makes one, with the "
    "flags of both.")
FINDING(N15, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "wrong separator before the info",
    "A copy over Windows or a NAS replaced the colon: readers see no flags. "
    "Repair puts it back.")
FINDING(N16, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "empty base name",
    "Servers have no identity for the message. Repair gives it a new name.")
FINDING(N17, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "name that begins with a dot",
    "All servers skip it. Repair takes the dots off mail; anything else goes "
    "to quarantine.")
FINDING(N18, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "bytes in the name that break lists of names",
    "Blanks, line ends, control or 8-bit bytes spoil UIDLs and UID lists. "
    "Repair gives it a new name.")
FINDING(N19, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "name too long",
    "No room for flags, or for a server's buffer. Repair gives it a new name.")
FINDING(N20, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "base name not like time.unique.host",
    "It is valid and stays; only its time is not known.")
FINDING(N21, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "implausible time in the name",
    "Zero, or in the future. The name is an identity and stays.")
FINDING(N22, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "name made by a copy or synchroniser",
    "8.3 names and conflict copies. Repair: where the bytes are there twice, "
    "quarantine, else a new name.")
FINDING(N23, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "file deleted on NFS, still open",
    "The NFS client takes .nfs files away itself. After days, look who has it "
    "open.")
FINDING(N24, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "left by an editor, archiver or download",
    "Readers take it for a message. Repair moves it to quarantine.")
FINDING(N25, SEV_IGNORE, FIX_NONE, LEVEL_NAMES,
    "names that differ in case only",
    "A file system without case would lose one of them. Do not copy them "
    "there.")
FINDING(N26, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "mbsync UID twice or too high",
    "mbsync would number all mail anew. Repair takes ,U= off the later file.")
FINDING(N27, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "FMD5 of another folder",
    "offlineimap takes the message for a new one. It was moved by hand.")
FINDING(N28, SEV_IGNORE, FIX_NONE, LEVEL_NAMES,
    "base name also in another folder",
    "A copy, or a move that was cut off. Compare them.")

/* Z, size fields.  They are part of the base name, so -y's as well. */
FINDING(Z01, SEV_ERROR, FIX_YES, LEVEL_STAT,
    "S= is not the size",
    "Dovecot aborts the fetch, quotas are wrong. Repair corrects it; a file "
    "too short may be cut off: C04.")
FINDING(Z02, SEV_ERROR, FIX_YES, LEVEL_FULL,
    "W= is not the size with CRLF",
    "Servers tell wrong sizes, and clients wait or cut. Repair corrects it.")
FINDING(Z03, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "malformed or repeated S= or W=",
    "Readers disagree about the size. Repair leaves one that is right, or "
    "none.")
FINDING(Z04, SEV_INFO, FIX_DEMAND, LEVEL_STAT,
    "no S= where there is a quota",
    "Each recount has to stat the file. Repair adds it.")
FINDING(Z05, SEV_INFO, FIX_NONE, LEVEL_HEAD,
    "compressed message",
    "Readers without compression show rubbish. Sizes and content are not "
    "judged.")

/* F, files, as lstat(2) sees them, and as reading them fails. */
FINDING(F01, SEV_FATAL, FIX_YES, LEVEL_NAMES,
    "symbolic link as message",
    "Any file of the machine could be served as mail. Repair moves the link "
    "to quarantine.")
FINDING(F02, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "FIFO, socket or device as message",
    "Readers may hang at it. Repair moves it to quarantine.")
FINDING(F03, SEV_ERROR, FIX_PREEN, LEVEL_STAT,
    "message that its owner cannot read",
    "Servers skip it or fail. Repair lets the owner read and write.")
FINDING(F04, SEV_WARN, FIX_PREEN, LEVEL_STAT,
    "message open to others, or executable",
    "Others may read or change it. Repair takes these bits off.")
FINDING(F05, SEV_ERROR, FIX_DEMAND, LEVEL_STAT,
    "message of another owner or group",
    "Servers may be unable to read or remove it. Repair gives it the "
    "Maildir's, or those of --owner; that takes root.")
FINDING(F06, SEV_INFO, FIX_NONE, LEVEL_STAT,
    "further names outside of this Maildir",
    "A hard link made by Dovecot or a backup. Harmless.")
FINDING(F07, SEV_FATAL, FIX_NONE, LEVEL_STAT,
    "fewer links than names",
    "The file system is broken, and removing a name would destroy the file. "
    "Repairs stop: run fsck first.")
FINDING(F08, SEV_WARN, FIX_NONE, LEVEL_STAT,
    "link file of GlusterFS",
    "This is a brick. Check the mounted volume instead.")
FINDING(F09, SEV_FATAL, FIX_NONE, LEVEL_STAT,
    "read error",
    "The disk or the file system. Save what can be read, then check both.")
FINDING(F10, SEV_ERROR, FIX_NONE, LEVEL_HEAD,
    "hole in the file",
    "Data never reached the disk; readers get NULs. Look for another copy.")
FINDING(F11, SEV_WARN, FIX_NONE, LEVEL_FULL,
    "immutable or append-only message",
    "No server can move, flag or remove it. See chattr(1).")

/*
 * C, content.  No repair writes into a message: what is to change becomes
 * a new file, and the old one goes to quarantine.
 */
FINDING(C01, SEV_ERROR, FIX_YES, LEVEL_STAT,
    "empty message",
    "Lost in a crash or on a full disk. Repair moves it to quarantine: the "
    "name still tells when and from where.")
FINDING(C02, SEV_ERROR, FIX_YES, LEVEL_HEAD,
    "nothing but NULs",
    "Lost in a power cut. Repair moves it to quarantine.")
FINDING(C03, SEV_ERROR, FIX_YES, LEVEL_HEAD,
    "NULs at the end",
    "The rest was lost in a power cut. Repair moves it to quarantine as it "
    "is.")
FINDING(C04, SEV_ERROR, FIX_NONE, LEVEL_HEAD,
    "message cut off",
    "Shorter than S=, or header or parts without their end. Look for another "
    "copy.")
FINDING(C05, SEV_WARN, FIX_DEMAND, LEVEL_HEAD,
    "mbox From line at the beginning",
    "Readers take the header for text. Repair writes a copy without it; the "
    "original goes to quarantine.")
FINDING(C06, SEV_ERROR, FIX_YES, LEVEL_FULL,
    "several messages in one file",
    "Readers show one. Repair splits it; the original goes to quarantine.")
FINDING(C07, SEV_WARN, FIX_DEMAND, LEVEL_HEAD,
    "not a message",
    "It has no header: some other file. Repair moves it to quarantine.")
FINDING(C08, SEV_INFO, FIX_NONE, LEVEL_HEAD,
    "no From, Date or Message-ID",
    "Spam and drafts are like that. Sorting and threads suffer.")
FINDING(C09, SEV_WARN, FIX_DEMAND, LEVEL_FULL,
    "CRLF line ends",
    "Stored mail has LF; mixed ends spoil sizes. Repair writes LF; the "
    "original goes to quarantine.")
FINDING(C10, SEV_INFO, FIX_NONE, LEVEL_FULL,
    "bare CR, very long line or 8-bit header",
    "Not allowed on the wire. Most clients cope.")
FINDING(C11, SEV_WARN, FIX_NONE, LEVEL_FULL,
    "NULs inside",
    "Probably damaged. Look for another copy.")
FINDING(C12, SEV_IGNORE, FIX_DEMAND, LEVEL_FULL,
    "the same bytes under another name",
    "Sent or copied twice. Repair moves the later one to quarantine.")
FINDING(C13, SEV_IGNORE, FIX_NONE, LEVEL_HEAD,
    "the same Message-ID, other bytes",
    "Mailing lists do that. Compare them.")
FINDING(C14, SEV_WARN, FIX_DEMAND, LEVEL_HEAD,
    "time of the file cannot be true",
    "IMAP shows it as the date of arrival. Repair takes it from Received, "
    "Date or the name.")
FINDING(C15, SEV_IGNORE, FIX_DEMAND, LEVEL_FULL,
    "a beginning of another message",
    "An interrupted copy. Repair moves the shorter one to quarantine.")

/*
 * M, control files.  What the owning server tidies up by itself (M04, M05)
 * is only told: lines removed early lose the UIDs of files on their way.
 */
FINDING(M01, SEV_WARN, FIX_PREEN, LEVEL_STAT,
    "maildirsize has a wrong sum",
    "Mail is refused too early or too late. Repair counts anew.")
FINDING(M02, SEV_WARN, FIX_PREEN, LEVEL_NAMES,
    "malformed maildirsize",
    "Each delivery counts all mail anew, or forgets the quota. Repair counts "
    "and keeps the limits.")
FINDING(M03, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "maildirsize in a folder",
    "Quota is the Maildir's own. Repair moves it to quarantine.")
FINDING(M04, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "UID of a file that is gone",
    "Normal after deletions; the server tidies up.")
FINDING(M05, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "message without UID",
    "Normal for new mail; the server gives it one.")
FINDING(M06, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "bad UID: zero, too high, out of order, twice",
    "The server drops the list and clients load all mail anew. Repair drops "
    "the bad line.")
FINDING(M07, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "bad head of a UID list",
    "The server drops the list and clients load all mail anew. Repair "
    "corrects the next UID.")
FINDING(M08, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "one file with two UIDs",
    "Clients see it twice. Repair keeps the higher UID, as Dovecot does.")
FINDING(M09, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "bad line in a UID list",
    "The server may drop the whole list. Repair drops the field or the line.")
FINDING(M10, SEV_ERROR, FIX_NONE, LEVEL_NAMES,
    "UID list empty or with NULs",
    "A power cut. Restore it from a backup before clients load all mail anew.")
FINDING(M11, SEV_WARN, FIX_NONE, LEVEL_NAMES,
    "UIDVALIDITY files disagree",
    "Dovecot keeps it in a file and in a file's name. Stop Dovecot and remove "
    "the wrong one.")
FINDING(M12, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "bad line in dovecot-keywords",
    "A keyword is lost or has two letters. Repair drops the line.")
FINDING(M13, SEV_INFO, FIX_DEMAND, LEVEL_NAMES,
    "subscribed to a folder that is not there",
    "Clients show a folder they cannot open. Repair drops the line.")
FINDING(M14, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "malformed courierimapuiddb",
    "Clients load all mail anew. Repair drops bad lines and corrects the next "
    "UID.")
FINDING(M15, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "malformed courierpop3dsizelist",
    "POP3 clients may load all mail anew. Repair drops bad lines.")
FINDING(M16, SEV_INFO, FIX_PREEN, LEVEL_NAMES,
    "Courier keywords without their message",
    "Left by a deletion. Repair moves the file to quarantine.")
FINDING(M17, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "Dovecot index that does not fit",
    "Without its UID list, or of another owner. doveadm force-resync makes it "
    "anew.")
FINDING(M18, SEV_ERROR, FIX_YES, LEVEL_NAMES,
    "two folders with one GUID",
    "A folder was copied whole; replication takes both for one. Repair drops "
    "it in the newer one.")
FINDING(M19, SEV_WARN, FIX_YES, LEVEL_NAMES,
    "malformed or low state of mbsync",
    "mbsync may give a UID twice. Repair raises the counter.")
FINDING(M20, SEV_INFO, FIX_NONE, LEVEL_NAMES,
    "control files of two servers",
    "Left by a migration. Each server goes by its own; the old ones can go.")
