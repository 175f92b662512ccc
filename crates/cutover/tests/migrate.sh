#!/bin/sh
# Applies SQL files in order, each in a transaction of its own, and says which are.
set -eu
sql() { psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"; }
sql -c "SET client_min_messages = error; CREATE TABLE IF NOT EXISTS applied (name text PRIMARY KEY)"
is_applied() { test -n "$(sql -c "SELECT name FROM applied WHERE name = '$1'")"; }
case "$1" in
    up)
        echo "$$" >>"$BEGUN"
        for file in migrations/*.sql; do
            name=$(basename "$file" .sql)
            is_applied "$name" && continue
            echo "applying $name"
            sql -1 -f "$file" -c "INSERT INTO applied VALUES ('$name')"
        done
        ;;
    status)
        sql -c "SELECT name FROM applied ORDER BY name"
        for file in migrations/*.sql; do
            is_applied "$(basename "$file" .sql)" || exit 1
        done
        ;;
    undo)
        for name in $(sql -c "SELECT name FROM applied ORDER BY name DESC LIMIT $2"); do
            sql -1 -f "migrations/$name.down" -c "DELETE FROM applied WHERE name = '$name'"
        done
        ;;
esac
