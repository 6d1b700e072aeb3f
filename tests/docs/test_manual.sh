#!/bin/sh
# The manual page is well formed and names every verb, every action and every option of the help:
# test_manual.sh SOURCE VEXIT
set -eu
page=$1/docs/man/vexit.1 vexit=$2
failures=0
fail() {
  echo "test_manual: $*" >&2
  failures=$((failures + 1))
}

warnings=$(groff -mandoc -Tascii -ww -b -z "$page" 2>&1) || fail "groff fails"
[ -z "$warnings" ] || fail "$warnings"
# -c: overstriking instead of escape sequences, which the second command takes off.
text=$(groff -mandoc -Tascii -P-c "$page" | sed 's/.\x08//g')

verbs=$("$vexit" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
[ "$(echo "$verbs" | wc -w)" -ge 6 ] || fail "--help lists few verbs: $verbs"
for verb in $verbs; do
  # The verb's own section, and what all verbs share.
  section=$(echo "$text" | awk -v verb="$verb" '
    /^[A-Z]/ { here = 0 }
    /^   [A-Za-z]/ { here = ($0 == "   " verb || $0 ~ /options$/) }
    here')
  echo "$section" | grep -qx "   $verb" || fail "no section on $verb"
  options=$("$vexit" "$verb" --help | grep -oE '(^|[ ,])--[a-z][a-z-]*' | tr -d ' ,' | sort -u)
  [ -n "$options" ] || fail "no option in the help of $verb"
  for option in $options; do
    case $option in --help | --usage) continue ;; esac
    echo "$section" | grep -qE -e "$option([^a-z-]|\$)" || fail "$verb: nothing on $option"
  done
  # And nothing that is not there.
  own=$(echo "$section" | awk '/options$/ { exit } { print }' | grep -oE '^ +(-[a-z] [A-Z]+, )?--[a-z][a-z-]*' | grep -oE -e '--[a-z-]*' || true)
  for option in $own; do
    echo "$options" | grep -qx -e "$option" || fail "$verb has no option $option"
  done
done
synopsis=$(echo "$text" | awk '/^[A-Z]/ { here = ($0 == "SYNOPSIS") } here')
for verb in $verbs; do
  echo "$synopsis" | grep -qE "^ +vexit $verb( |\$)" || fail "the synopsis has no $verb"
done
for action in $("$vexit" trace --help | grep -oE 'OPTION...\] [a-z]+' | cut -d' ' -f2) \
  $("$vexit" model --help | grep -oE 'OPTION...\] [a-z]+' | cut -d' ' -f2); do
  echo "$text" | grep -qE "^ +$action( |\$)" || fail "nothing on the action $action"
  echo "$synopsis" | grep -qE " $action( |\$)" || fail "the synopsis has no action $action"
done
for kind in $("$vexit" model keys nonsense 2>&1 | sed 's/.*one of: //'); do # the message names all kinds
  kinds=$((${kinds:-0} + 1))
  echo "$text" | tr -d '\n' | grep -qE -e "--kind=KIND +[^.]* $kind[ ,.]" || fail "--kind: nothing on $kind"
  echo "$text" | grep -qE "models/\{([a-z]+,)*$kind(,[a-z]+)*\}" || fail "FILES: no models of kind $kind"
done
[ "${kinds:-0}" -ge 5 ] || fail "the program names ${kinds:-no} kinds of models"
for variable in $(grep -rhoE 'getenv\("VEXIT_[A-Z_]+' "$1/app" "$1/sim" | sed 's/.*"//' | sort -u); do
  variables=$((${variables:-0} + 1))
  echo "$text" | grep -qE "^ +$variable( |\$)" || fail "ENVIRONMENT: no $variable"
done
[ "${variables:-0}" -ge 2 ] || fail "the sources read ${variables:-no} variables"
for list in $("$vexit" list --help | sed -n 's/^\([a-z]*\)   *[a-z].*/\1/p'); do
  echo "$text" | grep -qE "(^|[ ,])$list([,.]|\$)" || fail "nothing on the list $list"
done
[ $failures -eq 0 ]
