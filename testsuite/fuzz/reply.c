/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes what pop3test makes of a server's answers.  The first byte of the
 * input says who reads the rest: a verb, or a script with all ways to
 * expect something.  scripts/fuzz builds and runs it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script.h"

#include "server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { SEND_MAX = 100 * 1024 };

static const char expectations[] =
	"S? +OK$rest...\nC: STAT\nS: +OK $n $octets\nC: RETR 1\n"
	"S~ (\\+OK|-ERR)( [^ ]*)* -> status word\nS! ^From\n"
	"S: ... -> m\ncheck $m.octets >= $m.lines\nS= ..\nS? $_ $uid\n"
	"S: <anything>\nS: .\nS: +OK <$a.$b@$c> $d...\nC: AUTH CRAM-MD5\n"
	"S: +\nC: $cram $digest $stamp\nS: ...\nlog $m.md5 $m.sum $m.want\n"
	"eof\n";

static struct script script;
static struct run run;
static char *operand[3];
static struct options o = {
	.target = { .kind = TG_UCSPI }, .target_text = "-", .user = "user",
	.pass = "secret", .has_user = true, .has_pass = true,
	.timeout = 1000, .warn = -1, .crit = -1, .operands = operand,
	.keep_going = true, .quiet = true
};

/* Messages about a server's mistakes go nowhere. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct trouble why;
	int null = open("/dev/null", O_WRONLY);

	(void)argc;
	(void)argv;
	dup2(null, STDOUT_FILENO);
	if (script_text(&script, "reply", expectations, &why) < 0)
		abort();
	return 0;
}

static void run_script(void)
{
	run_init(&run, &o, &script);
	run_once(&run);
	run_end(&run);
}

static void run_verb(unsigned which)
{
	static char one[] = "1", two[] = "2";

	operand[0] = one;
	operand[1] = two;
	o.has_user = (which & 8) != 0;
	o.json = (which & 16) != 0;
	o.crlf = (which & 32) != 0;
	o.mech = (enum mechanism)(which >> 6);
	if ((which & 7) == 4)
		operand[1] = NULL;
	if ((which & 7) == 3 || (which & 7) == 2)
		operand[0] = NULL;
	o.verb = (which & 7) == 3 ? "uidl" : "list";
	switch (which & 7) {
	case 0: verb_check(&o); break;
	case 1: verb_capa(&o); break;
	case 2:
	case 3: verb_list(&o); break;
	case 4: verb_get(&o); break;
	case 5: verb_top(&o); break;
	case 6: verb_dele(&o); break;
	default: run_script();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd[2], room = 4 * SEND_MAX;

	if (size < 1 || size > SEND_MAX)
		return 0;
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
	setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	if (write(fd[1], data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	shutdown(fd[1], SHUT_WR);
	server = fd[0];
	run_verb(data[0]);
	if (server >= 0)
		close(server);
	close(fd[1]);
	return 0;
}
