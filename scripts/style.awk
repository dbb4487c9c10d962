# SPDX-License-Identifier: GPL-2.0-or-later
#
# For scripts/check-style: reads C files, prints "FAIL text" for each breach
# and, at the end, "ok" or "FAIL" lines for the limits over all of them.
# Functions and comments are counted in applets/ and libmd/ only.

function fail(text) {
	print "FAIL " FILENAME ":" FNR ": " text
}

# Without comments and the contents of strings.
function code_of(s,   r, i, two) {
	for (i = 1; i <= length(s); i++) {
		two = substr(s, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (two == "/*") {
			in_comment = 1
			i++
		} else if (two == "//")
			break
		else if (match(substr(s, i), /^("([^"\\]|\\.)*"|'([^'\\]|\\.)*')/)) {
			r = r "\"\""
			i += RLENGTH - 1
		} else
			r = r substr(s, i, 1)
	}
	return r
}

function columns(s,   i, n) {
	for (i = 1; i <= length(s); i++)
		n += substr(s, i, 1) == "\t" ? 8 - n % 8 : 1
	return n + 0
}

function file_done() {
	if (lines > 600)
		print "FAIL " file ": " lines " lines, more than 600"
	file_lines[++files] = lines
}

FNR == 1 {
	if (file != "" && counted)
		file_done()
	file = FILENAME
	counted = file ~ /^(applets|libmd)\//
	in_comment = in_function = lines = 0
}

{
	lines++
	was = in_comment
	code = code_of($0)
	bare = code
	gsub(/[ \t]/, "", bare)
}

/[ \t]$/ {
	fail("blanks at the end")
}

# a default cannot be broken
columns($0) > 80 && !/^\/\/config:\tdefault "/ {
	fail("more than 80 columns")
}

# Four before a declaration's second line, as in the BSDs; in a comment any.
/^ / && !/^    [^ ]/ && !was {
	fail("spaces before the text instead of tabs")
}

code ~ /(^|[^A-Za-z_0-9])(float|double|PATH_MAX)([^A-Za-z_0-9]|$)/ {
	fail("float, double or PATH_MAX")
}

code ~ /(^|[^A-Za-z_0-9])die *\(/ {
	fail("die()")
}

# Lines like //config: are data, neither code nor comment.
counted && !/^\/\/(config|applet|kbuild|usage):/ {
	if (bare != "")
		code_lines++
	else if ($0 !~ /^[ \t]*$/)
		comment_lines++
}

counted && file ~ /[.]c$/ {
	source_lines++
	if (code ~ /^[ \t]*#[ \t]*if/)
		ifs++
}

# A function: its name above, "{" and "}" at the beginning of a line.
code ~ /^[{]/ && counted {
	in_function = FNR
}

code ~ /^[}]/ && in_function {
	n = FNR - in_function + 2
	if (n > 80)
		fail("function of " n " lines, more than 80")
	function_lines[++functions] = n
	in_function = 0
}

function sort_numbers(a, n,   i, j, t) {
	for (i = 2; i <= n; i++) {
		t = a[i]
		for (j = i - 1; j > 0 && a[j] > t; j--)
			a[j + 1] = a[j]
		a[j + 1] = t
	}
}

# The value that a share of all values does not exceed.
function quantile(a, n, percent,   i) {
	i = n * percent / 100
	if (i > int(i))
		i = int(i) + 1
	return a[i < 1 ? 1 : i]
}

function limit(ok, text) {
	print (ok ? "ok " : "FAIL ") text
}

END {
	if (counted)
		file_done()
	sort_numbers(file_lines, files)
	sort_numbers(function_lines, functions)
	v = quantile(function_lines, functions, 50)
	limit(v <= 15, "half of " functions " functions: " v " lines (15)")
	v = quantile(function_lines, functions, 90)
	limit(v <= 40, "90 % of the functions: " v " lines (40)")
	v = quantile(file_lines, files, 90)
	limit(v <= 400, "90 % of " files " files: " v " lines (400)")
	v = int(1000 * comment_lines / (comment_lines + code_lines)) / 10
	limit(v >= 10 && v <= 20, "comments: " v " % of the lines (10 to 20)")
	v = int(10000 * ifs / source_lines) / 10
	limit(v <= 2, "#if: " v " in 1000 lines (2)")
}
