# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sorted lines  APPLET(name, "usr/sbin", "alias alias")  -> build/applets.h:
# each row is there only when its applet is configured.

function claim(s) {
	if (s in taken) {
		print "applet name " s " is used twice" >"/dev/stderr"
		exit 1
	}
	taken[s] = 1
}

{
	name = $0
	sub(/^APPLET[(]/, "", name)
	sub(/,.*/, "", name)
	claim(name)
	split($0, quoted, "\"")
	count = split(quoted[4], alias, " ")
	for (i = 1; i <= count; i++)
		claim(alias[i])
	print "#if ENABLE_" toupper(name) "\n" $0 "\n#endif"
}
