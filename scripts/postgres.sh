#!/bin/sh
# Runs a command with a throw-away Postgres cluster:
#
#   scripts/postgres.sh run go test ./internal/store/...
#
# The command finds it by TEST_NGIT_SYNC_POSTGRES. When that is set already, the command just runs. The cluster listens
# on loopback, keeps nothing safe on disk, and is gone when the command has ended. Its exit code is ours.
set -eu

usage() {
	echo "usage: $0 run COMMAND [ARGUMENT...]" >&2
	exit 2
}

[ "${1:-}" = run ] || usage
shift
[ $# -gt 0 ] || usage

if [ -n "${TEST_NGIT_SYNC_POSTGRES:-}" ]; then
	exec "$@"
fi

# find_bin prints the directory that holds initdb and pg_ctl, the newest version first.
find_bin() {
	if command -v initdb >/dev/null 2>&1 && command -v pg_ctl >/dev/null 2>&1; then
		dirname "$(command -v initdb)"
		return
	fi
	best=0
	found=
	for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql* /usr/local/pgsql/bin \
		/opt/homebrew/opt/postgresql*/bin /usr/local/opt/postgresql*/bin /home/linuxbrew/.linuxbrew/opt/postgresql*/bin; do
		if [ -x "$dir/initdb" ] && [ -x "$dir/pg_ctl" ]; then
			major=$("$dir/initdb" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
			if [ "$major" -gt "$best" ]; then
				best=$major
				found=$dir
			fi
		fi
	done
	if [ -n "$found" ]; then
		echo "$found"
		return
	fi
	echo "$0: no Postgres found (initdb, pg_ctl): run scripts/deps.sh" >&2
	return 1
}

bin=$(find_bin)

# Postgres refuses to run as root.
owner=
if [ "$(id -u)" = 0 ]; then
	for user in postgres nobody; do
		if id "$user" >/dev/null 2>&1; then
			owner=$user
			break
		fi
	done
	if [ -z "$owner" ]; then
		echo "$0: root needs a user postgres or nobody to run Postgres as" >&2
		exit 1
	fi
fi

as_owner() {
	if [ -z "$owner" ]; then
		"$@"
	elif command -v runuser >/dev/null 2>&1; then
		runuser -u "$owner" -- "$@"
	elif command -v setpriv >/dev/null 2>&1; then
		setpriv --reuid="$owner" --regid="$(id -g "$owner")" --clear-groups -- "$@"
	else
		# su takes one string; quote every word of it.
		line=
		for word in "$@"; do
			line="$line '$(printf %s "$word" | sed "s/'/'\\\\''/g")'"
		done
		su -s /bin/sh "$owner" -c "$line"
	fi
}

# The owner may not be able to read where we are.
in_base() { (cd "$base" && as_owner "$@"); }

# A short path: a socket's name may have 107 bytes only.
base=$(mktemp -d /tmp/ngit-sync-pg.XXXXXX)
# shellcheck disable=SC2317 # called by trap
cleanup() {
	trap - EXIT INT TERM HUP
	if [ -f "$base/data/postmaster.pid" ]; then
		in_base "$bin/pg_ctl" -D "$base/data" -m immediate -w stop >/dev/null 2>&1 || true
	fi
	rm -rf "$base"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

[ -z "$owner" ] || chown "$owner" "$base"

failed() {
	echo "$0: Postgres does not start:" >&2
	cat "$base/initdb.log" "$base/server.log" >&2 2>/dev/null || true
	exit 1
}

in_base "$bin/initdb" -D "$base/data" -U postgres -A trust -E UTF8 --no-locale --no-sync \
	>"$base/initdb.log" 2>&1 || failed

# Another one may take a port between looking and listening, so the port is found by trying.
port=
attempt=0
while [ "$attempt" -lt 20 ]; do
	attempt=$((attempt + 1))
	try=$((20000 + ($(od -An -N2 -tu2 /dev/urandom) % 12000)))
	options="-p $try -k $base -h 127.0.0.1 -F"
	options="$options -c full_page_writes=off -c synchronous_commit=off -c max_connections=200"
	if in_base "$bin/pg_ctl" -D "$base/data" -l "$base/server.log" -w -t 60 -o "$options" start \
		>>"$base/initdb.log" 2>&1; then
		port=$try
		break
	fi
	grep -qi "address already in use\|could not bind\|could not create any TCP/IP" "$base/server.log" || failed
done
[ -n "$port" ] || failed

TEST_NGIT_SYNC_POSTGRES="postgres://postgres@127.0.0.1:$port/postgres?sslmode=disable"
export TEST_NGIT_SYNC_POSTGRES

# In the foreground: what is typed at the terminal reaches the command, and traps run when it has ended.
code=0
"$@" || code=$?
exit "$code"
