/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzzes the reader of scripts, and, where a script has nothing that goes
 * beyond this process or takes time, runs it against a server that has
 * closed its side.  scripts/fuzz builds and runs it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "script.h"

#include "server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static struct run run;
static struct options o = {
	.target = { .kind = TG_UCSPI }, .user = "user", .pass = "secret",
	.has_user = true, .has_pass = true, .timeout = 100, .warn = -1,
	.crit = -1, .keep_going = true
};

static bool harmless(const struct script *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		switch (s->line[i].op) {
		case OP_SEND: case OP_RAW: case OP_MATCH: case OP_EXACT:
		case OP_ERE: case OP_REJECT: case OP_MANY: case OP_BODY:
		case OP_PROSE: case OP_TEST: case OP_SKIP: case OP_LOG:
		case OP_CLOSE: case OP_EOF: case OP_SET: case OP_LET:
		case OP_UNSET: case OP_CHECK: case OP_TIMEOUT:
		case OP_WITHIN: case OP_END: case OP_NONE:
			break;
		default:
			return false;
		}
	return true;
}

static void run_it(const struct script *s)
{
	static const char greeting[] = "+OK <a@b>\r\n+OK 2 320\r\n-ERR\r\n"
	    "+OK\r\n.x\r\nTOP\r\n.\r\n+ YWJj\r\n";
	int fd[2];

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd);
	(void)!write(fd[1], greeting, sizeof greeting - 1);
	close(fd[1]);
	server = fd[0];
	run_init(&run, &o, s);
	run_once(&run);
	run_end(&run);
	if (server >= 0)
		close(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { 0 };
	struct trouble why;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	if (!strstr(text, "include") &&
	    script_text(&s, "fuzz", text, &why) == 0 && harmless(&s))
		run_it(&s);
	script_free(&s);
	free(text);
	return 0;
}
