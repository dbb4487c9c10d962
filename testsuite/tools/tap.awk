# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads one test's TAP, prints its failures with their diagnostics, a line
# for the topic, and "= PASSED FAILED SKIPPED" for the runner's sum.
# -v name=TOPIC -v err=FILE (standard error) -v end=FILE (status and times)

function fail(what)
{
	nfail++
	print "  " name ": " what
}

function show(file, max,	line, n)
{
	while ((getline line < file) > 0)
		if (++n <= max)
			print "    | " line
	if (n > max)
		print "    | ... " n - max " more lines"
	close(file)
}

/^(not )?ok( |$)/ {
	seen++
	failing = 0
	if (/# *[Tt][Oo][Dd][Oo]/) {
		ntodo++
		nskip++
	} else if (/^not ok/) {
		fail($0)
		failing = 1
	} else if (/# *[Ss][Kk][Ii][Pp]/) {
		nskip++
	} else {
		npass++
	}
	next
}

/^1\.\.[0-9]+/ {
	planned = substr($1, 4) + 0
	plan = 1
	if (planned == 0)
		nskip++
	next
}

/^Bail out!/ { bail = $0 }

# Diagnostics follow the line they explain.
/^#/ && failing { print "    " $0 }

END {
	getline line < end
	split(line, f, " ")
	if (bail != "")
		fail(bail)
	if (!plan)
		fail("printed no plan")
	else if (seen != planned)
		fail("planned " planned " tests and ran " seen + 0)
	if (f[1] == 124)
		fail("ran too long and was ended")
	else if (f[1] > 128)
		fail("was ended by signal " f[1] - 128)
	else if (f[1] != 0 && nfail == 0)
		fail("ended with status " f[1])
	if (nfail > 0)
		show(err, 40)
	printf "%-22s %4d passed %3d failed %3d skipped %6.1f s\n", name,
	    npass, nfail, nskip, f[3] - f[2]
	printf "= %d %d %d\n", npass, nfail, nskip
}
