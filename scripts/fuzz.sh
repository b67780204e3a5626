#!/usr/bin/env bash
# Fuzzes targets one after the other, each for a time, two workers each:
#
#   scripts/fuzz.sh 10s 'FuzzParse|FuzzFilter'    # names as a whole; without them all targets, of all packages
#
# What fails an input is written by go test into the testdata of its package, where it is a seed from then on. All targets
# are tried; it fails when one did.
#
# Up to Go 1.26 a run can end with "context deadline exceeded" and nothing found when its time is up, the more often the busier
# the machine is (https://go.dev/issue/75804). That end, with not a word more, counts as passed.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -ge 1 ] || {
	echo "usage: $0 TIME [NAME|NAME...]" >&2
	exit 2
}
time=$1 names=${2:-Fuzz.*} go=${GO:-go}

said=$(mktemp)
trap 'rm -f "$said"' EXIT

# excused is whether what go test said of a target is the known end: nothing but progress and these lines.
excused() {
	grep -v '^fuzz: elapsed: ' "$said" | sed -E 's/\([0-9.]+s\)$|[0-9.]+s$//' | cmp -s - <(
		printf -- '--- FAIL: %s \n    context deadline exceeded\nFAIL\nexit status 1\nFAIL\t%s\t\n' "$2" "$1"
	)
}

module=$($go list -m)
found=0 failed=()
while read -r file target; do
	found=$((found + 1))
	package=$module/$(dirname "${file#./}")
	echo "== $package $target"
	if ! "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel 2 -timeout 0 "$package" </dev/null 2>&1 | tee "$said"; then
		if excused "$package" "$target"; then
			echo "== passed: only Go's fuzzer ended late"
		else
			failed+=("$package $target")
		fi
	fi
done < <(grep -rEo --include='*_test.go' "^func ($names)\(f \*testing\.F\)" . | sed -E 's/:func ([A-Za-z0-9_]+).*/ \1/' | LC_ALL=C sort)

if [ $found = 0 ]; then
	echo "$0: no such target: $names" >&2
	exit 2
fi
if [ ${#failed[@]} -gt 0 ]; then
	echo "failed:" >&2
	printf '  %s\n' "${failed[@]}" >&2
	exit 1
fi
