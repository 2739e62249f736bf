#!/bin/bash
# clang-format and clang-tidy over our C.
#
#   scripts/lint.sh           the gate: says what is wrong and fails
#   scripts/lint.sh format    rewrites the files in our format
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mapfile -t files < <(git ls-files --cached --others --exclude-standard '*.c' '*.h')
if [[ ${1:-} == format ]]; then
    exec clang-format -i "${files[@]}"
fi

echo "clang-format: ${#files[@]} files"
status=0
clang-format --dry-run -Werror "${files[@]}" || status=1

# clang-tidy reads how each file is compiled from the debug build's list.
cmake --preset debug >/dev/null
mapfile -t sources < <(git ls-files --cached --others --exclude-standard '*.c' ':!tests/fuzz')
echo "clang-tidy: ${#sources[@]} files"
printf '%s\0' "${sources[@]}" |
    xargs -0 -n 4 -P "$(nproc)" clang-tidy --quiet -p build/debug \
        2> >(grep -vE 'warnings? (generated|treated)' >&2) || status=1
exit $status
