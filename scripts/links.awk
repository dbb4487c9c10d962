# SPDX-License-Identifier: GPL-2.0-or-later
#
# build/applets.h build/autoconf.h -> the path of every link to the binary,
# one a line, without the leading slash.

/^#define ENABLE_/ {
	on[$2] = $3
}

/^APPLET[(]/ {
	name = $0
	sub(/^APPLET[(]/, "", name)
	sub(/,.*/, "", name)
	split($0, quoted, "\"")
	row[++rows] = toupper(name)
	links[rows] = name " " quoted[4]
	dir[rows] = quoted[2]
}

END {
	for (i = 1; i <= rows; i++) {
		count = on["ENABLE_" row[i]] ? split(links[i], link, " ") : 0
		for (j = 1; j <= count; j++)
			print dir[i] "/" link[j]
	}
}
