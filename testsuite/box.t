#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The box itself: how applets are found, listed, linked and asked for help.

POPBOX=${POPBOX:-build/popbox}
POPBOX=$(cd "$(dirname "$POPBOX")" && pwd)/$(basename "$POPBOX")
CONFIG=${CONFIG:-.config}
BUILD=${BUILD:-$(dirname "$POPBOX")}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM
PATH=$PATH:/usr/sbin:/sbin
n=0

# t NAME: the status of the command before it
t()
{
	result=$?
	n=$((n + 1))
	if [ $result -eq 0 ]; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/# out: /' "$dir/out"
		sed 's/^/# err: /' "$dir/err"
	fi
}

skip()
{
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# run STATUS COMMAND...: output in $dir/out and err; never waits for input
run()
{
	want=$1
	shift
	timeout 10 "$@" >"$dir/out" 2>"$dir/err" </dev/null
	got=$?
	[ $got -eq "$want" ] || echo "status $got, not $want" >>"$dir/err"
	[ $got -eq "$want" ]
}

out()	# the output has a line that matches
{
	grep -Eq "$1" "$dir/out"
}

err()
{
	grep -Eq "$1" "$dir/err"
}

installer=
if grep -q '^CONFIG_FEATURE_INSTALL=y' "$CONFIG"; then
	installer=y
fi
have=
if grep -q '^CONFIG_MDPOP3D=y' "$CONFIG"; then
	have=y
fi
: >"$dir/out"
: >"$dir/err"

# ---- questions to the box ---------------------------------------------------

run 0 "$POPBOX" && out '^usage: popbox'
t 'no argument: the usage, exit 0'
run 0 "$POPBOX" --help && out '^usage: popbox'
t '--help'
run 0 "$POPBOX" --version && out '^popbox [0-9]+\.[0-9]+\.[0-9]+$'
t '--version'
version=$(sed 's/^popbox //' "$dir/out")
run 127 "$POPBOX" nosuch && err 'nosuch' && [ ! -s "$dir/out" ]
t 'unknown applet: a message, exit 127'
run 127 "$POPBOX" --help nosuch
t '--help of an unknown applet: 127'
run 100 "$POPBOX" --nosuch && err 'nosuch' && err '^usage:'
t 'unknown option: usage on stderr, exit 100'
run 100 "$POPBOX" --install -s "$dir/a" "$dir/b" && [ ! -e "$dir/a" ]
t '--install with too many arguments, or not there: 100, nothing made'
ln -s "$POPBOX" "$dir/stranger"
run 127 "$dir/stranger" && err 'stranger'
t 'called by a name that is no applet: 127'
ln -s "$POPBOX" "$dir/popbox-0.1"
run 0 "$dir/popbox-0.1" --version
t 'popbox-anything is the box'
if [ -w /dev/full ]; then
	timeout 10 "$POPBOX" --help >/dev/full 2>"$dir/err"
	help=$?
	timeout 10 "$POPBOX" --list >/dev/full 2>"$dir/err"
	list=$?
	full=111
	if grep -q '^CONFIG_FEATURE_INSTALL=y' "$CONFIG"; then
		timeout 10 "$POPBOX" --list-full >/dev/full 2>"$dir/err"
		full=$?
	fi
	[ "$help $list $full" = '111 111 111' ]
	t 'standard output full: exit 111'
else
	skip 'standard output full: exit 111' 'no /dev/full'
fi

# ---- the list is the configuration ------------------------------------------

run 0 "$POPBOX" --list
t '--list'
for name in mdpop3d maildirck pop3test; do
	symbol=$(echo $name | tr '[:lower:]' '[:upper:]')
	if grep -q "^CONFIG_$symbol=y" "$CONFIG"; then
		echo $name
	fi
done | sort >"$dir/want"
cmp -s "$dir/want" "$dir/out"
t '--list is what .config has, sorted'
if [ -n "$installer" ]; then
	run 0 "$POPBOX" --list-full && cmp -s "$dir/out" "$BUILD/popbox.links"
	t '--list-full is popbox.links'
	! grep -Eq '^/|[^a-z0-9./-]' "$dir/out"
	t 'paths in --list-full are relative'
else
	skip '--list-full' 'no FEATURE_INSTALL'
fi

# ---- links ------------------------------------------------------------------

count=$(wc -l <"$BUILD/popbox.links")
root=$dir/root
mkdir -p "$root/usr/sbin"
cp "$POPBOX" "$root/usr/sbin/popbox"

links()	# how many paths of --list-full are there and lead to a program
{
	good=0
	while read -r link; do
		if [ -x "$1/$link" ]; then
			good=$((good + 1))
		fi
	done <"$BUILD/popbox.links"
	[ $good -eq "$count" ]
}

install_tests()
{
	run 0 "$root/usr/sbin/popbox" --install -s "$root" && links "$root"
	t '--install -s: every link works'
	run 0 "$root/usr/sbin/popbox" --install -s "$root" && links "$root"
	t '--install -s again'
	run 0 "$POPBOX" --install -s "$dir/new/deep" && links "$dir/new/deep"
	t '--install -s makes directories'
	mkdir "$dir/hard"
	cp "$POPBOX" "$dir/hard/popbox"
	run 0 "$dir/hard/popbox" --install "$dir/hard" && links "$dir/hard"
	t '--install: hard links'
	run 0 "$dir/hard/popbox" --install "$dir/hard" && links "$dir/hard"
	t '--install again: nothing to do'
	(cd "$dir/hard" && run 0 ./popbox --install -s ../rel) &&
		links "$dir/rel"
	t '--install -s with relative paths'
	run 0 env PATH="$dir/hard:$PATH" popbox --install -s "$dir/path" &&
		links "$dir/path"
	t '--install -s of a popbox found through PATH'
}

foreign_tests()
{
	case $(readlink "$root/usr/sbin/mdpop3d") in popbox) ;; *) false ;; esac
	t 'the link beside popbox is just its name'
	mv "$root" "$dir/moved" && run 0 "$dir/moved/usr/sbin/mdpop3d" --version
	t 'links survive moving the tree'
	mkdir -p "$dir/foreign/usr/sbin"
	echo foreign >"$dir/foreign/usr/sbin/mdpop3d"
	run 111 "$POPBOX" --install -s "$dir/foreign" && err 'left alone' &&
		[ "$(cat "$dir/foreign/usr/sbin/mdpop3d")" = foreign ]
	t 'a foreign file stays, exit 111'
	ln -sf /elsewhere/popbox "$dir/foreign/usr/sbin/mdpop3d"
	run 0 "$POPBOX" --install -s "$dir/foreign" &&
		run 0 "$dir/foreign/usr/sbin/mdpop3d" --version
	t 'a stale link to a popbox is renewed'
	ln -sf /bin/sh "$dir/foreign/usr/sbin/mdpop3d"
	run 111 "$POPBOX" --install -s "$dir/foreign" &&
		[ "$(readlink "$dir/foreign/usr/sbin/mdpop3d")" = /bin/sh ]
	t 'a link to something else stays'
}

jail_links()
{
	[ "$(find "$dir/jail/usr" -type l | wc -l)" -eq "$count" ]
}

# An initramfs in the making: no /proc, nothing but the binary.
jail_tests()
{
	if grep -q '^CONFIG_STATIC=y' "$CONFIG" && [ "$(id -u)" -eq 0 ]; then
		mkdir -p "$dir/jail/bin"
		cp "$POPBOX" "$dir/jail/bin/popbox"
		run 0 chroot "$dir/jail" /bin/popbox --install -s &&
			jail_links
		t '--install -s in a chroot without /proc'
		if [ -n "$have" ]; then
			run 0 chroot "$dir/jail" /usr/sbin/mdpop3d --version
			t 'its links work there'
		else
			skip 'its links work there' 'no applet'
		fi
		rm -rf "$dir/jail/usr"
		run 0 env PATH="/nowhere::/bin:$PATH" chroot "$dir/jail" \
			popbox --install -s / &&
			jail_links
		t '--install -s there, found through PATH'
	else
		skip '--install -s in a chroot' 'not static or not root'
	fi
}

if [ -n "$installer" ]; then
	install_tests
	if [ -n "$have" ]; then
		foreign_tests
	fi
	jail_tests
elif [ -n "$have" ]; then
	skip '--install' 'no FEATURE_INSTALL'
	mkdir -p "$dir/moved/usr/sbin"
	ln -s "$POPBOX" "$dir/moved/usr/sbin/mdpop3d"
	ln -s mdpop3d "$dir/moved/usr/sbin/in.mdpop3d"
fi

# ---- applets, by whatever name ----------------------------------------------

if [ -n "$have" ]; then
	bin=$dir/moved/usr/sbin
	run 0 "$POPBOX" mdpop3d --version && out "^mdpop3d $version \(popbox\)"
	t 'popbox mdpop3d --version'
	run 0 "$bin/mdpop3d" --version && out "^mdpop3d $version \(popbox\)"
	t 'mdpop3d --version'
	run 0 "$bin/in.mdpop3d" --version && out '^mdpop3d '
	t 'in.mdpop3d --version'
	run 0 "$bin/mdpop3d" -V && out "^mdpop3d $version \(popbox\)"
	t 'mdpop3d -V'
	run 0 "$bin/mdpop3d" --help && out '^usage: mdpop3d'
	t 'mdpop3d --help'
	cp "$dir/out" "$dir/help"
	run 0 "$POPBOX" --help mdpop3d && cmp -s "$dir/help" "$dir/out"
	t 'popbox --help mdpop3d says the same'
	run 0 "$POPBOX" --help in.mdpop3d && cmp -s "$dir/help" "$dir/out"
	t 'and so for in.mdpop3d'
	! grep -q '.\{81\}' "$dir/help"
	t 'the help text fits into 80 columns'
	run 0 bash -c "exec -a -mdpop3d '$POPBOX' --version" && out '^mdpop3d '
	t 'a leading dash in argv[0]'
	printf '#!%s\n' "$POPBOX" >"$dir/mdpop3d"
	chmod +x "$dir/mdpop3d"
	if [ ${#POPBOX} -lt 120 ]; then
		run 0 "$dir/mdpop3d" --version && out '^mdpop3d '
		t 'a wrapper script: #!/path/to/popbox'
	fi

	# Package checks call every program like this, and a fifo that stays
	# open keeps whoever reads it waiting.
	mkfifo "$dir/silent"
	exec 3<>"$dir/silent"
	for option in --help --version -V; do
		timeout 5 "$bin/mdpop3d" $option <&3 >"$dir/out" 2>"$dir/err"
		t "$option does not wait for standard input"
	done
	exec 3>&-
fi

echo "1..$n"
