# shellcheck shell=bash
# Installs Debian packages that are missing. Sourced by the scripts that need some:
#
#   need nginx-light "the front web server" command -v nginx    # missing if the command fails
#   need libxslt1.1 "runs the style sheets"                     # missing if dpkg does not know it as installed
#   install_needed                                              # says what and why, then installs, as root or by sudo

needed=()
needed_why=()

need() { # PACKAGE WHY [COMMAND...]
  if [ $# -gt 2 ]; then
    if "${@:3}" >/dev/null 2>&1; then return; fi
  elif [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; then
    return
  fi
  needed+=("$1")
  needed_why+=("$2")
}

install_needed() {
  if [ ${#needed[@]} = 0 ]; then return; fi
  echo "To be installed from Debian:"
  for i in "${!needed[@]}"; do printf '  %-30s %s\n' "${needed[i]}" "${needed_why[i]}"; done
  if ! command -v apt-get >/dev/null; then
    echo "This is no Debian: install them by hand, then start this script again." >&2
    exit 1
  fi
  # A mirror may fail for a moment.
  as_root apt-get update -qq -o Acquire::Retries=5
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "${needed[@]}" </dev/null >/dev/null
  needed=()
  needed_why=()
}

as_root() { # COMMAND...
  if [ "$EUID" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "Neither root nor sudo: run this as root, then start this script again: $*" >&2
    exit 1
  fi
}

# The version of Debian's own Python, as in the name of its shared library's package: 3.11.
debian_python_version() {
  /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'
}
