# shellcheck shell=sh
# What the images are made with: busybox and files of ours, no network, no registry. Sourced by POSIX shells.

# The docker command, with its arguments if any.
: "${DOCKER:=docker}"

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

# Prints the path of a busybox that needs no library.
find_busybox() {
    for place in ${BUSYBOX:-} /bin/busybox /usr/bin/busybox; do
        if [ -x "$place" ] && ! ldd "$place" >/dev/null 2>&1; then
            printf '%s\n' "$place"
            return
        fi
    done
    fail "no statically linked busybox found: install busybox-static, or name one with BUSYBOX"
}

# make_root FOLDER: fills it with all of busybox, as hard links of one file, and the few files that programs expect.
make_root() {
    busybox=$(find_busybox) || exit 1
    mkdir -p "$1/bin" "$1/dev" "$1/etc" "$1/proc" "$1/root" "$1/sys" "$1/tmp" "$1/var/run"
    chmod 700 "$1/root"
    chmod 1777 "$1/tmp"
    cp "$busybox" "$1/bin/busybox"
    chmod 755 "$1/bin/busybox"
    for applet in $("$busybox" --list); do
        case $applet in
            busybox | *[!a-zA-Z0-9_.-]*) ;;
            *) ln "$1/bin/busybox" "$1/bin/$applet" ;;
        esac
    done
    # The usual paths lead to the same files.
    mkdir "$1/usr"
    ln -s bin "$1/sbin"
    ln -s ../bin "$1/usr/bin"
    ln -s ../bin "$1/usr/sbin"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >"$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$1/etc/group"
    printf 'hosts: files dns\n' >"$1/etc/nsswitch.conf"
}

# import_root FOLDER TAG CHANGE...: makes the image, unless one of the same content has that tag already.
import_root() {
    folder=$1
    tag=$2
    shift 2
    archive=$folder.tar
    # Same files, same bytes: no times, no owners, one order.
    tar --create --file "$archive" --directory "$folder" --sort=name --mtime=@0 --owner=0 --group=0 \
        --numeric-owner --format=gnu .
    content=$({ cat "$archive" && printf '%s\n' "$@"; } | sha256sum | cut -d ' ' -f 1)
    there=$($DOCKER image inspect --format '{{index .Config.Labels "causeway.content"}}' "$tag" 2>/dev/null) || there=
    if [ "$there" = "$content" ]; then
        say "$tag is there already, with the same content"
        return
    fi
    changes="LABEL causeway.content=$content"
    set -- "$@" "$changes"
    for change in "$@"; do
        set -- "$@" --change "$change"
        shift
    done
    old=
    [ -z "$there" ] || old=$($DOCKER image inspect --format '{{.Id}}' "$tag")
    $DOCKER import "$@" "$archive" "$tag" >/dev/null || fail "$DOCKER could not import the image $tag"
    # An older one of ours has lost its only name; it stays where a container uses it.
    if [ -n "$old" ]; then $DOCKER image rm "$old" >/dev/null 2>&1 || true; fi
    say "made the image $tag ($(wc -c <"$archive") bytes)"
}
