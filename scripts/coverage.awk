# SPDX-License-Identifier: GPL-2.0-or-later
#
# For scripts/coverage: reads the list of behaviours (-v list=FILE), then
# tests. Prints the table; on standard error "FAIL: text" and "ok COVERED".

function fail(text) {
	print "FAIL: " text >"/dev/stderr"
}

# Counts the numbers that s begins with, up to the first other word.
function take(s,   n, last) {
	while (match(s, /^C[0-9]+/)) {
		last = n = substr(s, 2, RLENGTH - 1) + 0
		s = substr(s, RLENGTH + 1)
		if (match(s, /^-C[0-9]+/)) {
			last = substr(s, 3, RLENGTH - 2) + 0
			s = substr(s, RLENGTH + 1)
		}
		if (s !~ /^([ ,:"\047]|$)/)
			return
		for (; n <= last; n++)
			note(n)
		sub(/^ /, "", s)
	}
}

function note(n,   name) {
	name = FILENAME
	sub(/^testsuite\//, "", name)
	if (!(n in text)) {
		if (!((name, n) in seen))
			fail(FILENAME " names C" n ", which is not in " list)
	} else if (!((name, n) in seen))
		tests[n] = tests[n] (tests[n] == "" ? "" : ", ") name
	seen[name, n] = 1
}

FILENAME == list {
	if ($0 ~ /^#/ || $0 == "")
		next
	items++
	if ($1 != "C" items || NF < 2 || $0 ~ /[|]/)
		fail(list ":" FNR ": not C" items " and a text")
	if ($1 ~ /^C[0-9]+$/)
		items = substr($1, 2) + 0
	sub(/^C[0-9]+ /, "")
	absent[items] = sub(/^- /, "")
	text[items] = $0
	next
}

# In a script a comment tells, in the other files a literal.
FILENAME ~ /^scripts\// {
	if (sub(/^# /, ""))
		take($0)
	next
}

# Where a test is a line: its title.
FILENAME ~ /\.pop3$/ {
	if (sub(/^test /, ""))
		take($0)
	next
}

{
	while (match($0, /["\047]C[0-9]/)) {
		$0 = substr($0, RSTART + 1)
		take($0)
	}
}

END {
	print "| | behaviour | tests |"
	print "|---|---|---|"
	for (i = 1; i <= items; i++) {
		where = tests[i]
		if (absent[i])
			where = "not there" (where == "" ? "" : " (" where ")")
		else if (where == "")
			fail("C" i " has no test: " text[i])
		else
			covered++
		print "| C" i " | " text[i] " | " where " |"
	}
	print "ok " covered + 0 >"/dev/stderr"
}