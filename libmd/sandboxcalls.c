/* SPDX-License-Identifier: GPL-2.0-or-later */
//kbuild:obj-y += libmd/sandboxcalls.o
#include "sandboxcalls.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#ifndef SECCOMP_RET_KILL_PROCESS	/* Linux 4.14; before, the thread */
#define SECCOMP_RET_KILL_PROCESS 0x80000000U
#endif
#ifndef EM_RISCV
#define EM_RISCV 243
#endif
#ifndef EM_LOONGARCH
#define EM_LOONGARCH 258
#endif

/*
 * Which machine's numbers these are, as the kernel tells the filter: a
 * 64-bit kernel takes calls of 32-bit programs, too, and theirs differ.
 */
#if defined __x86_64__ && !defined __ILP32__
enum { MACHINE = EM_X86_64 };
#elif defined __i386__
enum { MACHINE = EM_386 };
#elif defined __aarch64__ && defined __AARCH64EL__
enum { MACHINE = EM_AARCH64 };
#elif defined __arm__
enum { MACHINE = EM_ARM };
#elif defined __mips__
enum { MACHINE = EM_MIPS };
#elif defined __s390x__
enum { MACHINE = EM_S390 };
#elif defined __riscv
enum { MACHINE = EM_RISCV };
#elif defined __powerpc64__
enum { MACHINE = EM_PPC64 };
#elif defined __powerpc__
enum { MACHINE = EM_PPC };
#elif defined __loongarch_lp64
enum { MACHINE = EM_LOONGARCH };
#else
enum { MACHINE = 0 };		/* no seccomp */
#endif

#if defined _MIPS_SIM && _MIPS_SIM == _ABIN32	/* 32 bits on 64 */
#define WORD_SIZE 0xA0000000U
#else
#define WORD_SIZE (sizeof(long) == 8 ? 0x80000000U : 0)
#endif
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { BIG_ENDIAN_WORD = 0, LITTLE_ENDIAN_FLAG = 0x40000000 };
#else
enum { BIG_ENDIAN_WORD = 4, LITTLE_ENDIAN_FLAG = 0 };
#endif

enum check {
	ALLOWED,
	REFUSED,		/* with an error, for the libc may try it */
	READS,			/* from here on: allowed if, see checks[] */
	DATA,
	UNSENT,
	CONNECTED,
	SEND,
	RECV
};

/* The argument's lower 32 bits, masked, are the value. */
static const struct {
	uint32_t argument, mask, value;
} checks[] = {
	[READS] = { 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY },
	[DATA] = { 2, PROT_EXEC, 0 },
	[UNSENT] = { 1, UINT32_MAX, TIOCOUTQ },
	[CONNECTED] = { 5, UINT32_MAX, 0 },	/* no address is given */
	[SEND] = { 0, UINT32_MAX, 9 },		/* linux/net.h */
	[RECV] = { 0, UINT32_MAX, 10 }
};

enum {
	ALL = SB_PARSER | SB_CHECKER | SB_USER,
	TALK = SB_PARSER | SB_USER,
	FILES = SB_CHECKER | SB_USER
};

/*
 * In the order in which a filter looks; the first rule that fits counts.
 * A 32-bit machine has calls for a short time_t and for a long one, and
 * which of them a libc makes is between it and the kernel.
 */
static const struct rule {
	uint16_t number;
	uint8_t parts, check;
} rules[] = {
	{ SYS_read, ALL, ALLOWED },
	{ SYS_write, ALL, ALLOWED },
#ifdef SYS_clock_gettime
	{ SYS_clock_gettime, ALL, ALLOWED },
#endif
#ifdef SYS_clock_gettime32	/* so musl calls it */
	{ SYS_clock_gettime32, ALL, ALLOWED },
#endif
#ifdef SYS_clock_gettime64
	{ SYS_clock_gettime64, ALL, ALLOWED },
#endif
#ifdef SYS_poll
	{ SYS_poll, ALL, ALLOWED },
#endif
#ifdef SYS_ppoll
	{ SYS_ppoll, ALL, ALLOWED },
#endif
#ifdef SYS_ppoll_time64
	{ SYS_ppoll_time64, ALL, ALLOWED },
#endif
	{ SYS_ioctl, TALK, UNSENT },
	{ SYS_ioctl, TALK, REFUSED },
#ifdef SYS_sendto
	{ SYS_sendto, ALL, CONNECTED },
	{ SYS_recvfrom, ALL, ALLOWED },
	{ SYS_socket, ALL, REFUSED },
#endif
#ifdef SYS_send
	{ SYS_send, ALL, ALLOWED },
	{ SYS_recv, ALL, ALLOWED },
#endif
#ifdef SYS_socketcall		/* i386 and s390x: one for all of them */
	{ SYS_socketcall, ALL, SEND },
	{ SYS_socketcall, ALL, RECV },
	{ SYS_socketcall, ALL, REFUSED },
#endif
	{ SYS_openat, FILES, READS },
	{ SYS_openat, FILES, REFUSED },
#ifdef SYS_open
	{ SYS_open, FILES, REFUSED },
#endif
	{ SYS_close, ALL, ALLOWED },
#ifdef SYS_fstat
	{ SYS_fstat, SB_USER, ALLOWED },
#endif
#ifdef SYS_fstat64
	{ SYS_fstat64, SB_USER, ALLOWED },
#endif
#ifdef SYS_newfstatat
	{ SYS_newfstatat, SB_USER, ALLOWED },
#endif
#ifdef SYS_fstatat64
	{ SYS_fstatat64, SB_USER, ALLOWED },
#endif
#ifdef SYS_statx
	{ SYS_statx, SB_USER, ALLOWED },
#endif
#ifdef SYS_lseek
	{ SYS_lseek, SB_USER, ALLOWED },
#endif
#ifdef SYS__llseek
	{ SYS__llseek, SB_USER, ALLOWED },
#endif
	{ SYS_getdents64, SB_USER, ALLOWED },
	{ SYS_unlinkat, SB_USER, ALLOWED },
#ifdef SYS_renameat2
	{ SYS_renameat2, SB_USER, ALLOWED },
#endif
	{ SYS_linkat, SB_USER, ALLOWED },
	{ SYS_fsync, SB_USER, ALLOWED },
	{ SYS_flock, SB_USER, ALLOWED },
#ifdef SYS_mmap2
	{ SYS_mmap2, FILES, DATA },
#elif defined __s390x__		/* all arguments are in memory */
	{ SYS_mmap, FILES, ALLOWED },
#else
	{ SYS_mmap, FILES, DATA },
#endif
	{ SYS_munmap, FILES, ALLOWED },
	/* malloc, for some crypt() uses it */
	{ SYS_mprotect, SB_CHECKER, DATA },
	{ SYS_mremap, SB_CHECKER, ALLOWED },
	{ SYS_madvise, SB_CHECKER, ALLOWED },
	{ SYS_brk, SB_CHECKER, ALLOWED },
#ifdef SYS_getrandom
	{ SYS_getrandom, SB_CHECKER, ALLOWED },
#endif
	{ SYS_getpid, ALL, ALLOWED },
	{ SYS_rt_sigprocmask, ALL, ALLOWED },
	{ SYS_rt_sigreturn, ALL, ALLOWED },
#ifdef SYS_sigreturn
	{ SYS_sigreturn, ALL, ALLOWED },
#endif
	{ SYS_restart_syscall, ALL, ALLOWED },	/* after SIGCONT */
#ifdef SYS_gettimeofday
	{ SYS_gettimeofday, ALL, ALLOWED },
#endif
#ifdef SYS_gettimeofday_time32
	{ SYS_gettimeofday_time32, ALL, ALLOWED },
#endif
#ifdef SYS_time
	{ SYS_time, ALL, ALLOWED },
#endif
	{ SYS_exit_group, ALL, ALLOWED },
	{ SYS_exit, ALL, ALLOWED }
};

enum { RULES = sizeof rules / sizeof *rules, LONGEST = 6 };

struct program {
	unsigned short len;
	struct sock_filter code[8 + (LONGEST + 2) * RULES];
};

static void put(struct program *p, uint16_t code, uint32_t k)
{
	p->code[p->len++] = (struct sock_filter){ .code = code, .k = k };
}

static void put_load(struct program *p, uint32_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, offset);
}

/* Goes on if the value loaded is k, and else skips some instructions. */
static void put_if(struct program *p, uint32_t k, unsigned char skip)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, k);
	p->code[p->len - 1].jf = skip;
}

static void put_return(struct program *p, uint32_t action)
{
	put(p, BPF_RET | BPF_K, action);
}

/* What it does not decide goes on behind it. */
static void put_rule(struct program *p, const struct rule *r)
{
	const uint32_t number = offsetof(struct seccomp_data, nr);
	const uint32_t args = offsetof(struct seccomp_data, args);
	unsigned c = r->check;

	put_if(p, r->number, c < READS ? 1 : LONGEST - 1);
	if (c >= READS) {
		put_load(p, args + 8 * checks[c].argument + BIG_ENDIAN_WORD);
		put(p, BPF_ALU | BPF_AND | BPF_K, checks[c].mask);
		put_if(p, checks[c].value, 1);
	}
	put_return(p, c == REFUSED ? SECCOMP_RET_ERRNO | EACCES :
	    SECCOMP_RET_ALLOW);
	if (c >= READS)
		put_load(p, number);
}

/* Rules are sorted; those for one number stay together, in their order. */
static int middle(const struct rule **r, int n)
{
	int half = n / 2;

	while (half > 0 && r[half]->number == r[half - 1]->number)
		half--;
	if (half > 0)
		return half;
	while (half < n && r[half]->number == r[0]->number)
		half++;
	return half;
}

/*
 * A search by halves: the kernel tries a new filter with every number there
 * is, which for a chain of comparisons takes longer than a fork.
 */
static void put_search(struct program *p, const struct rule **r, int n)
{
	int half = middle(r, n), node = p->len;

	if (half == n) {
		for (int i = 0; i < n; i++)
			put_rule(p, r[i]);
		put_return(p, SECCOMP_RET_KILL_PROCESS);
		return;
	}
	put(p, BPF_JMP | BPF_JGE | BPF_K, r[half]->number);
	put_search(p, r, half);
	p->code[node].jt = (uint8_t)(p->len - node - 1);
	put_search(p, r + half, n - half);
}

/* The rules of a part, by number, which each machine has its own way. */
static int sort_rules(const struct rule **r, enum sb_part part)
{
	int n = 0;

	for (int i = 0; i < RULES; i++) {
		int at = n;

		if (!(rules[i].parts & part))
			continue;
		for (; at > 0 && r[at - 1]->number > rules[i].number; at--)
			r[at] = r[at - 1];
		r[at] = &rules[i];
		n++;
	}
	return n;
}

static void put_program(struct program *p, enum sb_part part)
{
	const struct rule *sorted[RULES];
	int n = sort_rules(sorted, part);

	p->len = 0;
	put_load(p, offsetof(struct seccomp_data, arch));
	put_if(p, MACHINE | WORD_SIZE | LITTLE_ENDIAN_FLAG, 1);
	put(p, BPF_JMP | BPF_JA, 1);
	put_return(p, SECCOMP_RET_KILL_PROCESS);
	put_load(p, offsetof(struct seccomp_data, nr));
	/* What a tracer has skipped: it does nothing. */
	put_if(p, UINT32_MAX, 1);
	put_return(p, SECCOMP_RET_ALLOW);
	put_search(p, sorted, n);
}

static int install(const struct sock_fprog *f)
{
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, f, 0, 0);
}

bool sb_take_calls(enum sb_part part)
{
	struct program p;
	struct sock_fprog f = { .filter = p.code };

	if (MACHINE == 0)
		return false;
	put_program(&p, part);
	f.len = p.len;
	return install(&f) == 0;
}

bool sb_can_take_calls(void)
{
	return MACHINE != 0 && install(NULL) < 0 && errno == EFAULT;
}
