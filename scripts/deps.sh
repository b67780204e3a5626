#!/bin/sh
# Installs what the tests need beside Go: Postgres (initdb, pg_ctl) and a C compiler (for go test -race). Does nothing when
# they are there. Needs root for the system's package manager; without it, says what to install.
set -eu

has_postgres() {
	command -v initdb >/dev/null 2>&1 && return 0
	for path in /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb /usr/libexec/postgresql*/initdb /usr/local/pgsql/bin/initdb \
		/opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb \
		/home/linuxbrew/.linuxbrew/opt/postgresql*/bin/initdb; do
		[ -x "$path" ] && return 0
	done
	return 1
}

has_compiler() { command -v cc >/dev/null 2>&1 || command -v gcc >/dev/null 2>&1 || command -v clang >/dev/null 2>&1; }

# names prints the packages that are missing; $1 is the one with Postgres, $2 the one with a C compiler.
names() {
	has_postgres || echo "$1"
	has_compiler || echo "$2"
}

if has_postgres && has_compiler; then
	exit 0
fi

refresh=:
if command -v apt-get >/dev/null 2>&1; then
	packages=$(names postgresql "gcc libc6-dev")
	refresh="apt-get update -q"
	install="env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends"
elif command -v dnf >/dev/null 2>&1; then
	packages=$(names postgresql-server gcc)
	install="dnf install -y"
elif command -v apk >/dev/null 2>&1; then
	packages=$(names postgresql "gcc musl-dev")
	install="apk add"
elif command -v pacman >/dev/null 2>&1; then
	packages=$(names postgresql gcc)
	install="pacman -Sy --noconfirm --needed"
elif command -v zypper >/dev/null 2>&1; then
	packages=$(names postgresql-server gcc)
	install="zypper --non-interactive install"
elif command -v brew >/dev/null 2>&1; then
	packages=$(names postgresql@17 gcc)
	# brew refuses to run as root, and needs no root.
	# shellcheck disable=SC2086 # a list of packages
	exec brew install $packages
else
	echo "$0: no known package manager; install Postgres (initdb, pg_ctl) and a C compiler" >&2
	exit 1
fi

packages=$(echo "$packages" | tr '\n' ' ')
if [ "$(id -u)" != 0 ]; then
	echo "$0: the tests need $packages; install with:" >&2
	[ "$refresh" = : ] || echo "  sudo $refresh" >&2
	echo "  sudo $install $packages" >&2
	exit 1
fi
# shellcheck disable=SC2086 # commands and lists of packages
$refresh && $install $packages

if ! has_postgres; then
	echo "$0: $packages installed, and still no initdb where scripts/postgres.sh looks" >&2
	exit 1
fi
