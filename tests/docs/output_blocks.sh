#!/bin/sh
# Program output in the documentation is what the program prints.
#
#     output_blocks.sh check|write VEXIT SOURCE FILE.md...
#
# A block stands under a comment that holds its command, run in the source tree, and ends with the code fence:
#
#     <!-- output: vexit list schemes -->
#     ```text
#     ...
#     ```
#
# `check` compares and fails where a block differs; `write` puts the present output in (look at the difference before
# it is committed). The words `| head -n 9` and `| sed ...` may follow in the command, to show a part.
set -eu
mode=$1 vexit=$2 source=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$vexit" "$work/bin/vexit"
PATH="$work/bin:$PATH"
VEXIT_MODELS="$source/models" # not those of an older installation
export PATH VEXIT_MODELS
cd "$source"
failures=0 blocks=0

# The file with each block replaced by its command's output.
refreshed() {
  inside=no command=
  while IFS= read -r line || [ -n "$line" ]; do
    case $inside$line in
    no'<!-- output: '*' -->')
      command=${line#'<!-- output: '}
      command=${command%' -->'}
      printf '%s\n' "$line"
      inside=fence
      ;;
    fence'```'*)
      printf '%s\n' "$line"
      sh -c "$command" 2>&1 </dev/null || echo "the command failed: $?"
      inside=yes
      ;;
    fence*) echo "output_blocks: no fence under: $command" >&2; return 1 ;;
    yes'```')
      printf '%s\n' "$line"
      inside=no
      ;;
    yes*) ;;
    *) printf '%s\n' "$line" ;;
    esac
  done <"$1"
  [ "$inside" = no ]
}

for file; do
  blocks=$((blocks + $(grep -c '^<!-- output: ' "$file" || true)))
  refreshed "$file" >"$work/new" || { echo "output_blocks: $file: a block does not end" >&2; exit 1; }
  if cmp -s "$file" "$work/new"; then continue; fi
  if [ "$mode" = write ]; then
    cat "$work/new" >"$file"
    echo "$file: written"
  else
    echo "$file differs from what the program prints (tests/docs/output_blocks.sh write ... mends it):"
    diff "$file" "$work/new" | head -n 40
    failures=1
  fi
done
[ "$blocks" -gt 0 ] || { echo "output_blocks: no block in any file" >&2; exit 1; }
[ $failures -eq 0 ]
