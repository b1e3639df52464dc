# Copies of files above a gigabyte go as sparse archives, so that their holes are neither read nor sent. Everything else is the
# real program's. Sourced by scp and rsync, which set `real` and `ssh`.
LARGE=1000000000

host_of() { case "$1" in *:*) case "${1%%:*}" in */*) ;; *) printf %s "${1%%:*}" ;; esac ;; esac; }
path_of() { if [ -n "$(host_of "$1")" ]; then local p="${1#*:}"; printf %s "${p:-.}"; else printf %s "$1"; fi; }
at() { local host="$1"; shift; if [ -n "$host" ]; then "${ssh[@]}" "$host" "$*"; else sh -c "$*"; fi; }
quoted() { case "$1" in *[*?[]*) printf %s "$1" ;; "~"*) printf %s "$1" ;; *) printf %q "$1" ;; esac; }

# Sizes of what a source names, one "size path" a line; folders are looked into.
sizes() { at "$(host_of "$1")" "find $(quoted "$(path_of "$1")") -type f -printf '%s %p\\n' 2>/dev/null"; }

any_large() { local one; for one in "$@"; do sizes "$one" | awk -v n=$LARGE '$1 > n {found = 1} END {exit !found}' && return 0; done; return 1; }

# copy SOURCE TARGET FLAGS: one source by a sparse archive; the target is a folder that is there, or the new name.
copy() {
  local from="$1" to="$2" flags="$3" host goal paths
  host="$(host_of "$to")"; goal="$(path_of "$to")"
  paths="$(at "$(host_of "$from")" "ls -d $(quoted "$(path_of "$from")")")" || return 1
  while IFS= read -r path; do
    local name="${path##*/}" folder="${path%/*}"
    [ "$folder" = "$path" ] && folder=.
    at "$(host_of "$from")" "tar -C ${folder:-/} -cSf - $(printf %q "$name")" < /dev/null |
      at "$host" "if [ -d $(quoted "$goal") ]; then cd $(quoted "$goal") && tar -x${flags}Sf -; else d=\$(mktemp -d) && tar -C \$d -x${flags}Sf - && mv -f \$d/* $(quoted "$goal"); fi" || return 1
  done <<< "$paths"
}
