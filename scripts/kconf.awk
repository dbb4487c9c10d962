# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads the part of the kconfig language that Config.in keeps to and settles
# a configuration, so that a build needs nothing but make, cc, sh, awk, sed:
# mainmenu menu if config bool int string prompt default depends-on range
# choice help source. scripts/check-kconfig holds it against kconfig-conf.
#
# awk -v top=Config.in -v mode=MODE -v out=OUT [-v cfg=FILE] [-v seed=N]
#   mode  old (FILE's values, defaults elsewhere), yes, no, rand
#   out   config, min (only what differs from the defaults), hdr (for C),
#         list (NAME TYPE help|nohelp)

function die(msg) {
	print (at ? at ": " : "") "kconf: " msg >"/dev/stderr"
	failed = 1
	exit 1
}

function trim(s) {
	sub(/^[ \t]+/, "", s)
	sub(/[ \t\r]+$/, "", s)
	return s
}

function both(a, b) {
	if (a == "")
		return b
	return b == "" ? a : "(" a ") && (" b ")"
}

# Splits "EXPR if COND"; COND is left in cond.
function split_if(s,   i) {
	cond = ""
	s = " " s
	for (i = length(s) - 3; i > 0; i--)
		if (substr(s, i, 4) == " if ") {
			cond = trim(substr(s, i + 4))
			s = substr(s, 1, i - 1)
			break
		}
	return trim(s)
}

# ---- reading ----------------------------------------------------------------

# Menus, ifs and choices nest; inner[] holds the conditions of all levels.
function push(kind, e) {
	depth++
	level[depth] = kind
	inner[depth] = both(inner[depth - 1], e)
}

function pop(kind) {
	if (level[depth] != kind)
		die("end" kind " without " kind)
	depth--
	if (kind == "choice")
		choice = 0
	target = ""
}

function new_symbol(s) {
	if (s in index_of)
		die("symbol " s " is defined twice")
	n++
	name[n] = s
	index_of[s] = n
	dep[n] = inner[depth]
	in_choice[n] = choice
	if (choice)
		member[choice, ++members[choice]] = n
	target = "config"
}

function new_choice() {
	choice = ++choices
	push("choice", "")
	target = "choice"
}

function depends(e) {
	if (target == "config")
		dep[n] = both(dep[n], e)
	else if (target == "choice" || target == "menu")
		inner[depth] = both(inner[depth], e)
	else
		die("stray depends on")
}

function prompt(s) {
	s = split_if(s)
	if (target == "choice")
		depends_if(cond)
	else {
		has_prompt[n] = 1
		prompt_if[n] = cond
	}
}

function depends_if(e) {
	if (e != "")
		depends(e)
}

function add_default(s) {
	s = split_if(s)
	if (target == "choice") {
		cdef[choice, ++cdefs[choice]] = s
		cdef_if[choice, cdefs[choice]] = cond
	} else {
		def[n, ++defs[n]] = s
		def_if[n, defs[n]] = cond
	}
}

function indent(s,   i, col) {
	for (i = 1; i <= length(s); i++)
		if (substr(s, i, 1) == "\t")
			col += 8 - col % 8
		else if (substr(s, i, 1) == " ")
			col++
		else
			break
	return col + 0
}

# Help runs on until a line indented less than its first one.
function swallow_help(line) {
	if (!in_help)
		return 0
	if (trim(line) == "")
		return 1
	if (in_help == 1) {
		in_help = 1 + indent(line)
		help[n] = 1
		return 1
	}
	if (indent(line) + 1 >= in_help)
		return 1
	in_help = 0
	return 0
}

function attribute(word, rest) {
	if (word == "bool" || word == "int" || word == "string") {
		if (target == "config")
			type[n] = word
		if (rest != "")
			prompt(rest)
	} else if (word == "prompt")
		prompt(rest)
	else if (word == "default")
		add_default(rest)
	else if (word == "depends")
		depends(trim(substr(rest, 3)))
	else if (word == "range") {
		split(rest, pair, /[ \t]+/)
		low[n] = pair[1]
		high[n] = pair[2]
	} else if (word == "help")
		in_help = 1
	else
		die("unknown statement: " word)
}

function statement(line,   word, rest) {
	line = trim(line)
	if (line == "" || line ~ /^#/)
		return
	word = line
	sub(/[ \t].*/, "", word)
	rest = trim(substr(line, length(word) + 1))
	if (word == "config")
		new_symbol(rest)
	else if (word == "menu") {
		push("menu", "")
		target = "menu"
		title[n + 1] = substr(rest, 2, length(rest) - 2)
	} else if (word == "if")
		push("if", rest)
	else if (word == "choice")
		new_choice()
	else if (word == "endmenu" || word == "endif" || word == "endchoice")
		pop(substr(word, 4))
	else if (word == "source")
		parse(substr(rest, 2, length(rest) - 2))
	else if (word != "mainmenu")
		attribute(word, rest)
}

function parse(file,   line, got, no) {
	while ((got = (getline line <file)) > 0) {
		at = file ":" ++no
		if (!swallow_help(line))
			statement(line)
	}
	if (got < 0)
		die("cannot read " file)
	close(file)
	in_help = 0
	at = ""
}

# ---- expressions ------------------------------------------------------------

# Without parentheses: not, then and, then or.
function flat(s) {
	while (sub(/!0/, "1", s) || sub(/!1/, "0", s))
		;
	while (sub(/1&1/, "1", s) || sub(/0&[01]/, "0", s) || sub(/1&0/, "0", s))
		;
	return s ~ /1/ ? 1 : 0
}

function text(word) {
	if (word ~ /^"/)
		return unquote(substr(word, 2, length(word) - 2))
	if (!(word in index_of))
		return word
	settle(index_of[word])
	return value[index_of[word]]
}

function truth(word) {
	return text(word) == "y" ? 1 : 0
}

function next_word(   w) {
	sub(/^[ \t]+/, "", rest_of)
	if (!match(rest_of, /^(&&|[|][|]|!=|=|!|[(]|[)]|"[^"]*"|[A-Za-z0-9_]+)/))
		die("cannot read the expression at: " rest_of)
	w = substr(rest_of, 1, RLENGTH)
	rest_of = substr(rest_of, RLENGTH + 1)
	sub(/^[ \t]+/, "", rest_of)
	return w
}

# One operand, or two with = or != between; symbols are settled on the way,
# which comes back here: what is left to read is saved meanwhile.
function operand(w,   op, v, saved) {
	op = rest_of ~ /^=/ ? "=" : rest_of ~ /^!=/ ? "!=" : ""
	if (op == "") {
		saved = rest_of
		v = truth(w)
		rest_of = saved
		return v
	}
	next_word()
	v = next_word()
	saved = rest_of
	v = text(w) == text(v)
	rest_of = saved
	return (op == "=") == v ? 1 : 0
}

function eval(e,   w, s, v) {
	if (e == "")
		return 1
	rest_of = e
	while (rest_of != "") {
		w = next_word()
		if (w == "&&" || w == "||")
			s = s substr(w, 1, 1)
		else
			s = s (w ~ /^[!()]$/ ? w : operand(w))
	}
	while (match(s, /[(][^()]*[)]/)) {
		v = flat(substr(s, RSTART + 1, RLENGTH - 2))
		s = substr(s, 1, RSTART - 1) v substr(s, RSTART + RLENGTH)
	}
	return flat(s)
}

# ---- values -----------------------------------------------------------------

function visible(i) {
	if (!(i in seen))
		seen[i] = has_prompt[i] && eval(dep[i]) && eval(prompt_if[i])
	return seen[i]
}

# The number of the first default that holds, or 0.
function which_default(i,   j) {
	if (!eval(dep[i]))
		return 0
	for (j = 1; j <= defs[i]; j++)
		if (eval(def_if[i, j]))
			return j
	return 0
}

function default_value(i,   j) {
	j = which_default(i)
	if (type[i] == "bool")
		return j && eval(def[i, j]) ? "y" : "n"
	return j ? text(def[i, j]) : ""
}

function choice_default(c,   j, i) {
	for (j = 1; j <= cdefs[c]; j++) {
		i = index_of[cdef[c, j]]
		if (eval(cdef_if[c, j]) && visible(i))
			return i
	}
	for (j = 1; j <= members[c]; j++)
		if (visible(member[c, j]))
			return member[c, j]
	return 0
}

function chosen(c) {
	if ((c in picked) && visible(picked[c]))
		return picked[c]
	return choice_default(c)
}

function settle(i) {
	if (i in value)
		return
	value[i] = type[i] == "bool" ? "n" : ""	# for a circle of references
	if (in_choice[i])
		value[i] = visible(i) && chosen(in_choice[i]) == i ? "y" : "n"
	else if (visible(i) && (i in user))
		value[i] = user[i]
	else
		value[i] = default_value(i)
	written[i] = visible(i) || (!in_choice[i] && which_default(i))
}

# A value that kconfig would refuse counts as not given.
function take(i, v) {
	if (type[i] == "bool" && v != "y" && v != "n")
		return
	if (type[i] == "int" && v !~ /^-?(0|[1-9][0-9]*)$/)
		return
	if ((i in low) && (v + 0 < low[i] + 0 || v + 0 > high[i] + 0))
		return
	if (type[i] == "string") {
		if (v !~ /^".*"$/)
			return
		v = unquote(substr(v, 2, length(v) - 2))
	}
	user[i] = v
	if (in_choice[i] && v == "y")
		picked[in_choice[i]] = i
}

function unquote(s,   i, c, r) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "\\")
			c = substr(s, ++i, 1)
		r = r c
	}
	return r
}

function quote(s,   i, c, r) {
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		r = r (c == "\\" || c == "\"" ? "\\" c : c)
	}
	return "\"" r "\""
}

function read_config(file,   line, got, s, v) {
	while ((got = (getline line <file)) > 0) {
		sub(/\r$/, "", line)
		if (line ~ /^# CONFIG_[A-Za-z0-9_]+ is not set$/)
			line = substr(line, 3, length(line) - 13) "=n"
		if (line !~ /^CONFIG_[A-Za-z0-9_]+=/)
			continue
		s = substr(line, 8, index(line, "=") - 8)
		v = substr(line, index(line, "=") + 1)
		if (s in index_of)
			take(index_of[s], v)
		else
			print file ": no symbol " s >"/dev/stderr"
	}
	if (got < 0)
		die("cannot read " file)
	close(file)
}

# The same numbers under every awk, which their rand() would not give.
function dice(sides) {
	state = (state * 69069 + 12345) % 2147483648
	return int(state / 65536) % sides
}

function fill(mode,   i, c) {
	state = seed % 2147483648
	for (i = 1; i <= n; i++)
		if (type[i] == "bool" && !in_choice[i])
			user[i] = mode == "yes" || (mode == "rand" && dice(2)) ? "y" : "n"
	for (c = 1; mode == "rand" && c <= choices; c++)
		picked[c] = member[c, 1 + dice(members[c])]
}

# ---- writing ----------------------------------------------------------------

function config_line(i) {
	if (type[i] == "bool" && value[i] == "n")
		return "# CONFIG_" name[i] " is not set"
	return "CONFIG_" name[i] "=" (type[i] == "string" ? quote(value[i]) : value[i])
}

function is_default(i) {
	if (in_choice[i])
		return value[i] == "n" || choice_default(in_choice[i]) == i
	return !visible(i) || value[i] == default_value(i)
}

# C sees every symbol in every configuration; a number that is out of reach
# keeps its first default, so that dead code still makes sense.
function header_line(i,   v) {
	if (type[i] == "bool")
		return "#define ENABLE_" name[i] " " (value[i] == "y")
	v = value[i]
	if (v == "" && defs[i] && type[i] == "int")
		v = def[i, 1]
	return "#define CONFIG_" name[i] " " (type[i] == "string" ? quote(v) : v)
}

function write_all(   i) {
	if (out == "config")
		print "# Made by scripts/kconf.awk; edit it or use make menuconfig."
	for (i = 1; i <= n; i++) {
		settle(i)
		if (out == "config" && (i in title))
			print "\n#\n# " title[i] "\n#"
		if (out == "hdr")
			print header_line(i)
		else if (out == "list")
			print name[i], type[i], help[i] ? "help" : "nohelp"
		else if (written[i] && (out != "min" || !is_default(i)))
			print config_line(i)
	}
}

BEGIN {
	parse(top)
	if (depth)
		die(level[depth] " without end" level[depth])
	if (mode == "old") {
		if (cfg != "")
			read_config(cfg)
	} else
		fill(mode)
	write_all()
	exit failed
}
