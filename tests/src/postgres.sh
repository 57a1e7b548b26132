#!/bin/sh
# A temporary PostgreSQL cluster. Prints its address (for the superuser, without a password) once it answers, and lives
# until standard input ends: so it ends with the process that started it, in whatever way that ends. A line `stop` or
# `start` there breaks it off or starts it again, and is repeated when that is done. Changes are synced to disk as in
# production.
set -eu

if ! command -v initdb >/dev/null; then
    for folder in /usr/lib/postgresql/*/bin; do PATH="$folder:$PATH"; done
fi
if ! command -v initdb >/dev/null; then
    echo "PostgreSQL's server programs are missing; install them with: apt-get install postgresql" >&2
    exit 1
fi

# Not $TMPDIR, which may be a folder that the owner of the cluster cannot reach.
folder=$(mktemp -d /tmp/flowmatic-postgres.XXXXXX)
# An interrupt from the keyboard comes here too; the parent's end is what counts.
trap '' INT TERM HUP
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# PostgreSQL refuses to run as root.
as_owner() {
    if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
[ "$(id -u)" != 0 ] || chown postgres "$folder"

fail() {
    echo "the temporary PostgreSQL cluster does not start:" >&2
    cat "$folder"/*.log >&2
    exit 1
}

as_owner initdb --pgdata "$folder/data" --username postgres --auth trust --encoding UTF8 --no-locale --no-sync \
    </dev/null >"$folder/initdb.log" 2>&1 || fail

start() {
    as_owner pg_ctl --pgdata "$folder/data" --log "$folder/data/server.log" --wait --timeout 60 \
        --options "-p $port -k $folder -c listen_addresses=127.0.0.1 -c max_connections=300 \
            -c min_wal_size=32MB -c max_wal_size=128MB" \
        start </dev/null >"$folder/start.log" 2>&1
}
start_anywhere() {
    port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
    start
}
stop() {
    as_owner pg_ctl --pgdata "$folder/data" --mode "$1" --wait stop </dev/null >/dev/null 2>&1
}
# Another program may have the port.
start_anywhere || start_anywhere || start_anywhere || { cp "$folder/data/server.log" "$folder"; fail; }

echo "postgres://postgres@127.0.0.1:$port/postgres"
while read -r command; do
    case $command in
    stop) stop immediate ;;
    start) start || fail ;;
    esac
    echo "$command"
done
# It may be stopped already.
stop fast || true
