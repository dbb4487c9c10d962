# SPDX-License-Identifier: GPL-2.0-or-later
#
# applets/maildirck/findings.h -> its titles and texts as C arrays, half as
# long: 159 bytes that ASCII text does not use stand for two others each
# (byte pair encoding, Gage 1994). The most frequent pair of neighbours gets
# a code, then that of what results, and so on; nothing crosses a NUL.

BEGIN {
	for (i = 32; i < 127; i++)
		ord[sprintf("%c", i)] = i
}

function add(s,   i) {
	for (i = 1; i <= length(s); i++)
		t[++n] = ord[substr(s, i, 1)]
	t[++n] = 0
}

/^FINDING/ {
	findings++
	next
}

/^    "/ {
	s = $0
	sub(/^    "/, "", s)
	sub(/"[,)]*$/, "", s)
	if (findings in title)
		text[findings] = text[findings] s
	else
		title[findings] = s
}

function count_pairs(   i) {
	split("", count)
	for (i = 1; i < n; i++)
		if (t[i] && t[i + 1])
			count[t[i] * 256 + t[i + 1]]++
}

# The same one whatever order awk has: of equals, the smallest.
function most_frequent(   p, best) {
	best = 0
	for (p in count)
		if (!best || count[p] > count[best] ||
		    (count[p] == count[best] && p + 0 < best))
			best = p + 0
	return best
}

function replace(pair, code,   i, to) {
	to = 0
	for (i = 1; i <= n; i++)
		if (i < n && t[i] * 256 + t[i + 1] == pair) {
			t[++to] = code
			i++
		} else
			t[++to] = t[i]
	n = to
}

function put(name, from, to,   i) {
	printf "static const unsigned char %s[] = {", name
	for (i = from; i <= to; i++)
		printf "%s%d,", (i - from) % 16 ? " " : "\n\t", t[i]
	print "\n};"
}

END {
	for (i = 1; i <= findings; i++)
		add(title[i])
	for (i = 1; i <= findings; i++)
		add(text[i])
	for (code = 1; code < 256; code = code == 31 ? 128 : code + 1) {
		count_pairs()
		pair = most_frequent()
		replace(pair, code)
		pairs = pairs sprintf("\t{ %d, %d },\n", pair / 256,
			pair % 256)
	}
	for (i = zeros = 0; zeros < findings; i++)
		zeros += t[i + 1] == 0
	print "/* Made by scripts/pack.awk of findings.h. */"
	put("titles", 1, i)
	print "#if ENABLE_FEATURE_MAILDIRCK_EXPLAIN"
	put("texts", i + 1, n)
	print "#endif"
	printf "static const unsigned char pairs[][2] = {\n%s};\n", pairs
}
