# SPDX-License-Identifier: GPL-2.0-or-later
#
# The //usage: lines of applets/NAME.c -> a C string NAME_USAGE.  What comes
# behind the first empty one is there only with FEATURE_LONG_HELP.

function finish() {
	if (!file)
		return
	if (long) {
		printf "\n#if ENABLE_FEATURE_LONG_HELP\n"
		printf "#define %s_USAGE %s_SHORT%s\n", name, name, long
		printf "#else\n#define %s_USAGE %s_SHORT\n#endif", name, name
	} else {
		printf "\n#define %s_USAGE %s_SHORT", name, name
	}
	printf "\n"
}

/^\/\/usage:/ {
	if (FILENAME != file) {
		finish()
		file = FILENAME
		name = FILENAME
		sub(/^.*\//, "", name)
		sub(/[.]c$/, "", name)
		name = toupper(name)
		long = ""
		printf "#define %s_SHORT", name
	}
	text = substr($0, 9)
	gsub(/[\\"]/, "\\\\&", text)
	text = " \\\n\t\"" text "\\n\""
	if (long || text ~ /"\\n"$/)
		long = long text
	else
		printf "%s", text
}

END {
	finish()
}
