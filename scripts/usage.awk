# SPDX-License-Identifier: GPL-2.0-or-later
#
# The //usage: lines of applets/NAME.c -> a C string NAME_USAGE.

/^\/\/usage:/ {
	if (FILENAME != file) {
		file = FILENAME
		name = FILENAME
		sub(/^.*\//, "", name)
		sub(/[.]c$/, "", name)
		printf "%s#define %s_USAGE", file_end, toupper(name)
		file_end = "\n"
	}
	text = substr($0, 9)
	gsub(/[\\"]/, "\\\\&", text)
	printf " \\\n\t\"%s\\n\"", text
}

END {
	printf "%s", file_end
}
