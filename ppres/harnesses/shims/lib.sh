# Copies of files above a gigabyte go without their holes, which are neither read nor sent: by scp, rsync and sftp as sparse
# archives, through pipes as a head and a mark with the size. Everything else is the real program's.
LARGE=1000000000
ssh=(ssh); options=(); operands=(); batch=""
times=m # tar's: m where the times of files are not kept

# asked LETTERS WORD…: options of scp or sftp, by getopts' letters, with what they ask of ssh; and operands.
asked() {
  local letters=":$1" o; shift
  while getopts "$letters" o; do
    case $o in
      P) ssh+=(-o "Port=$OPTARG") ;;
      A) ssh+=(-A) ;;
      [cFiJo]) ssh+=("-$o" "$OPTARG") ;;
      p) times="" ;;
      b) batch="$OPTARG"; OPTARG=- ;;
    esac
    options+=("-$o" ${OPTARG+"$OPTARG"})
  done
  operands=("${@:OPTIND}")
}

# Operands are sources and a target.
to_copy() { sources=("${operands[@]:0:${#operands[@]} - 1}"); target="${operands[-1]}"; any_large "${sources[@]}"; }

large() { [ "$(stat -Lc %s -- "$1" 2> /dev/null || echo 0)" -gt $LARGE ]; }
head_of() { head -c 65536 -- "$1"; printf '\0hole:%020d\0' "$(stat -Lc %s -- "$1")"; }

# A file that was written from a pipe, made as long as the mark at its end says.
whole() {
  local mark; [ -f "$1" ] && mark="$(tail -c 27 -- "$1" | tr '\0' ' ')"
  [[ "$mark" =~ ^\ hole:([0-9]{20})\ $ ]] && truncate -s -27 -- "$1" && truncate -s $((10#${BASH_REMATCH[1]})) -- "$1"
}

# through FILE PROGRAM…: the program, with a large file's head on its stdin; if its stdout is a file, that is made whole.
through() {
  local file="$1"; shift
  if large "$file"; then head_of "$file" | "$@"; elif [ -f /dev/stdout ]; then "$@"; else exec "$@"; fi
  local ended=$?; whole "$(readlink /proc/$$/fd/1)"; exit $ended
}

host_of() { case "$1" in *:*) case "${1%%:*}" in */*) ;; *) printf %s "${1%%:*}" ;; esac ;; esac; }
path_of() { if [ -n "$(host_of "$1")" ]; then local p="${1#*:}"; printf %s "${p:-.}"; else printf %s "$1"; fi; }
at() { local host="$1"; shift; if [ -n "$host" ]; then "${ssh[@]}" "$host" "$*"; else sh -c "$*"; fi; }
quoted() { case "$1" in *[*?[]*) printf %s "$1" ;; "~"*) printf %s "$1" ;; *) printf %q "$1" ;; esac; }

# Sizes of what a source names, one "size path" a line; folders are looked into.
sizes() { at "$(host_of "$1")" "find $(quoted "$(path_of "$1")") -type f -printf '%s %p\\n' 2>/dev/null" < /dev/null; }

any_large() {
  local source
  for source in "$@"; do sizes "$source" | awk -v n=$LARGE '$1 > n {large = 1} END {exit !large}' && return 0; done
  return 1
}

# copy SOURCE TARGET: one source by a sparse archive; the target is a folder that is there, or the new name.
copy() {
  local from="$1" to="$2" host goal paths
  host="$(host_of "$to")"; goal="$(path_of "$to")"
  paths="$(at "$(host_of "$from")" "ls -d $(quoted "$(path_of "$from")")")" || return 1
  while IFS= read -r path; do
    local name="${path##*/}" folder="${path%/*}"
    [ "$folder" = "$path" ] && folder=.
    at "$(host_of "$from")" "tar -C ${folder:-/} -cSf - $(printf %q "$name")" < /dev/null |
      at "$host" "goal=$(quoted "$goal"); if [ -d \$goal ]; then tar -C \$goal -x${times}Sf -; else
        new=\$(mktemp -d) && tar -C \$new -x${times}Sf - && mv -f \$new/* \$goal; fi" || return 1
  done <<< "$paths"
}
