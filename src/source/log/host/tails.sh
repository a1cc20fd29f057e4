# Quarterdeck's tails: many logs of one host over one channel. The cockpit sets N (a nonce that frames carry) in front of this
# text and sends both on stdin; after the first frame it sends one line for each log that is opened or closed. Frames are
#   =N ID d          data follows, ended by a line break and "=N ."
#   =N ID WORD ...   anything else, one line
# Must run in bash 4.2, dash and busybox ash. Files are read by their open descriptor, so what is renamed or removed is read to
# its end; where that was is told by inode and offset, so that a cut channel goes on exactly there.
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
umask 077
T=''
# Blocks wait in memory where there is a tmpfs: a full disk is when logs must be read.
for d in /dev/shm "${TMPDIR:-/tmp}" /run /var/tmp; do
  if [ -d "$d" ] && [ -w "$d" ] && T=$(mktemp -d "$d/quarterdeck.XXXXXX" 2>/dev/null); then break; fi
  T=''
done
if [ -z "$T" ] || ! mkfifo "$T/turn"; then
  printf '=%s 0 x no folder for temporary files can be written: /dev/shm, /tmp, /run, /var/tmp\n' "$N"
  exit 1
fi
gone() {
  trap - EXIT
  trap '' HUP INT TERM PIPE
  for f in "$T"/*.pid; do
    if [ -s "$f" ]; then
      read -r p <"$f"
      kill "$p" 2>/dev/null
    fi
  done
  rm -rf "$T"
  exit 0
}
trap gone EXIT HUP INT TERM PIPE

# One writer at a time: whoever holds the only byte of the pipe.
exec 9<>"$T/turn"
echo >&9
Z=1
if sleep 0.01 2>/dev/null; then Z=0.2; fi

say() {
  read -r _ <&9
  printf '=%s %s\n' "$N" "$*"
  echo >&9
}

# block ID: what lies in the block goes out.
block() {
  read -r _ <&9
  printf '=%s %s d\n' "$N" "$1"
  cat "$T/$1.out"
  printf '\n=%s .\n' "$N"
  echo >&9
}

# words ID: the last complaint, on one line.
words() { tail -n 3 "$T/$1.err" 2>/dev/null | tr '\n' ' '; }

# stream ID COMMAND: what a command writes, until it ends.
stream() {
  {
    sh -c "$2" 2>"$T/$1.err" </dev/null 9>&- &
    echo $! >"$T/$1.pid"
    wait $!
    echo $? >"$T/$1.rc"
  } | {
    warned=''
    while :; do
      dd bs=65536 count=1 2>"$T/$1.dd" >"$T/$1.out"
      read -r r <"$T/$1.dd"
      case $r in 0+0* | '') break ;; esac
      block "$1"
      if [ -z "$warned" ] && [ -s "$T/$1.err" ]; then
        warned=1
        say "$1 w $(words "$1")"
      fi
      # A full block has more behind it; else a moment's lines go together.
      case $r in 0+*) sleep $Z ;; esac
    done
    rc=''
    n=0
    while [ $n -lt 20 ] && ! [ -s "$T/$1.rc" ]; do
      sleep 0.1 2>/dev/null || sleep 1
      n=$((n + 1))
    done
    read -r rc <"$T/$1.rc"
    say "$1 e ${rc:-255} $(words "$1")"
    rm -f "$T/$1".*
  }
}

# at: where descriptor 3 stands.
at() { read -r _ pos </proc/self/fdinfo/3; }

# found INODE PATH: the file that has this inode now, beside PATH.
found() { find "${2%/*}/" -maxdepth 1 -type f -inum "$1" 2>/dev/null | head -n 1; }

# between PATH: what was written behind the file of descriptor 3 and has been renamed since, the oldest of it; nothing where
# PATH itself is next. Told by the time of the last line and by the names that rotation gives: PATH.1, PATH-20261121,
# STEM-2026-11-21.EXT. (Where find knows whole seconds only, two rotations within one are seen as one.)
between() {
  b=${1##*/} next=''
  for c in "$1"[.-][0-9]* "${1%/*}/${b%.*}"[.-][0-9][0-9][0-9][0-9]*; do
    if ! [ -f "$c" ] || [ "$c" -ef "$1" ] || [ "$c" -ef /dev/fd/3 ]; then continue; fi
    case $c in
      # The very file on descriptor 3, while it is compressed.
      *.gz | *.xz | *.zst | *.bz2) if [ "${c%.*}" -ef /dev/fd/3 ]; then continue; fi ;;
    esac
    if [ -z "$(find -H "$c" -maxdepth 0 -newer /dev/fd/3 2>/dev/null)" ]; then continue; fi
    if [ -z "$next" ] || [ -n "$(find -H "$next" -maxdepth 0 -newer "$c")" ]; then next=$c; fi
  done
}

# follow ID MODE INODE OFFSET MARK TAIL PATH: MODE is once or follow; MARK is what stands before OFFSET, in hexadecimal: an
# inode may be another file's by now; TAIL is all, a count of lines, or b and a count of bytes.
follow() {
  id=$1 mode=$2 inode=$3 offset=$4 mark=$5 tail=$6 p=$7
  why=start told='' next=''
  while [ -e "$T/$id.on" ]; do
    if ! [ -f "$p" ] || ! [ -r "$p" ]; then
      now=missing
      if [ -e "$p" ] && ! [ -f "$p" ]; then now='no file'; elif [ -e "$p" ]; then now=denied; elif ! [ -x "${p%/*}/" ]; then now=denied; fi
      if [ "$told" != "$now" ]; then
        told=$now
        say "$id m $now"
      fi
      if [ "$mode" = once ]; then
        say "$id e 1"
        return
      fi
      sleep 1
      continue
    fi
    told=''
    q=${next:-$p} next=''
    if [ "$why" = start ] && [ "$inode" != - ]; then
      here=$(stat -L -c %i "$p")
      if [ "$here" != "$inode" ]; then
        q=$(found "$inode" "$p")
        if [ -z "$q" ]; then
          q=$p why=lost
        fi
      fi
    fi
    if ! [ -r "$q" ]; then
      # A rotated file was compressed or removed after it was found: what it held is not passed over in silence.
      if [ "$q" != "$p" ]; then why=lost; fi
      continue
    fi
    exec 3<"$q"
    # shellcheck disable=SC2046
    set -- $(stat -L -c '%i %s' /dev/fd/3)
    here=$1 size=$2 from=0
    if [ "$why" = start ]; then
      if [ "$inode" = "$here" ]; then
        from=$offset
        if [ "$size" -lt "$offset" ]; then
          from=0 why=truncated
        elif [ "$mark" != - ]; then
          long=$((${#mark} / 2))
          dd bs=1 count=0 "skip=$((offset - long))" <&3 >/dev/null 2>&1
          if [ "$(dd "bs=$long" count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n')" != "$mark" ]; then from=0 why=lost; fi
          exec 3</dev/fd/3
        fi
      else
        case $tail in
          all) ;;
          b*) if [ "$size" -gt "${tail#b}" ]; then from=$((size - ${tail#b})) why=middle; fi ;;
          *)
            lines=$(tail -n "$tail" <&3 | wc -c)
            at
            from=$((pos - lines))
            exec 3</dev/fd/3
            ;;
        esac
      fi
    fi
    if [ "$from" -gt 0 ]; then dd bs=1 count=0 "skip=$from" <&3 >/dev/null 2>&1; fi
    say "$id n $here $from $why"
    inode=$here last=''
    while [ -e "$T/$id.on" ]; do
      dd bs=65536 count=1 <&3 2>"$T/$id.dd" >"$T/$id.out"
      read -r r <"$T/$id.dd"
      case $r in
        0+0* | '') ;;
        *)
          block "$id"
          last=''
          continue
          ;;
      esac
      if [ "$mode" = once ] && [ "$q" = "$p" ]; then
        say "$id e 0"
        return
      fi
      if [ -e "$p" ] && ! [ "$p" -ef /dev/fd/3 ]; then
        # Its writer may go on in the old file for a moment.
        if [ -n "$last" ]; then
          why=rotated
          between "$p"
          # It cannot be read as it is, and neither is it passed over in silence.
          case $next in *.gz | *.xz | *.zst | *.bz2) next='' why=lost ;; esac
          break
        fi
        last=1
      else
        last=''
        at
        size=$(stat -L -c %s /dev/fd/3)
        if [ "${size:-0}" -lt "$pos" ]; then
          why=truncated
          break
        fi
      fi
      sleep $Z
    done
    exec 3<&-
  done
}

up=$(cat /proc/uptime 2>/dev/null)
say "0 r $(date +%z) $(date +%s) ${up%% *}"
while IFS= read -r l; do
  eval "set -- $l"
  case $1 in
    file)
      shift
      true >"$T/$1.on"
      follow "$@" </dev/null &
      ;;
    pipe) stream "$2" "$3" </dev/null & ;;
    close)
      rm -f "$T/$2.on"
      if [ -s "$T/$2.pid" ]; then
        read -r k <"$T/$2.pid"
        kill "$k" 2>/dev/null
      fi
      ;;
  esac
done
