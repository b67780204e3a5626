#!/usr/bin/env bash
# Makes the passwords that docker-compose.yml reads, where there are none yet. They stay out of the tree.
set -euo pipefail
cd "$(dirname "$0")"

# The containers run as users of their own and must be able to read the files; the directory keeps everybody else out.
mkdir -p -m 0700 secrets
umask 0333

make_password() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

[ -e secrets/postgres_password ] || make_password >secrets/postgres_password
# libpq's form, host:port:database:user:password
[ -e secrets/pgpass ] || printf 'postgres:5432:ngit_sync:ngit_sync:%s\n' "$(cat secrets/postgres_password)" >secrets/pgpass
[ -e secrets/grafana_password ] || make_password >secrets/grafana_password
echo "$PWD/secrets: $(ls secrets | tr '\n' ' ')"
