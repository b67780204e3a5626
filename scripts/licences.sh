#!/usr/bin/env bash
# Fails when a module that is part of the daemon has a licence that is not known to be compatible with ours (MIT). It reads the
# licence texts in the module cache; nothing is fetched but what a build fetches too.
set -euo pipefail
cd "$(dirname "$0")/.."

own=$(go list -m)

# kind names the licence of a text; nothing when it is none that we know.
kind() {
	local text
	text=$(tr -s '[:space:]' ' ' <"$1")
	case $text in
	*"GNU AFFERO GENERAL PUBLIC"* | *"GNU GENERAL PUBLIC LICENSE"* | *"GNU LESSER GENERAL PUBLIC"*) ;;
	*"Apache License"*"Version 2.0"*) echo Apache-2.0 ;;
	*"Mozilla Public License"*"2.0"*) echo MPL-2.0 ;;
	*"Permission is hereby granted, free of charge"*) echo MIT ;;
	*"Permission to use, copy, modify, and"*"distribute this software"*) echo ISC ;;
	*"Redistribution and use in source and binary forms"*) echo BSD ;;
	*"This is free and unencumbered software released into the public domain"*) echo Unlicense ;;
	esac
}

failed=0 counted=0
while read -r module version dir; do
	[ "$module" = "$own" ] && continue
	counted=$((counted + 1))
	found=
	for file in "$dir"/{LICENSE,LICENCE,License,license,COPYING,UNLICENSE}*; do
		[ -f "$file" ] || continue
		found=$(kind "$file")
		[ -n "$found" ] && break
	done
	if [ -z "$found" ]; then
		echo "licence of $module $version is none that we know: look into $dir" >&2
		failed=1
	fi
	[ "${1:-}" = -v ] && printf '%-12s %s %s\n' "${found:-?}" "$module" "$version"
done < <(go list -deps -f '{{with .Module}}{{.Path}} {{or .Version "-"}} {{.Dir}}{{end}}' ./cmd/ngit-sync | sort -u)

[ "$counted" -gt 0 ] || { echo "no modules found" >&2; exit 1; }
[ "$failed" -eq 0 ] && echo "licences of $counted modules are known"
exit "$failed"
