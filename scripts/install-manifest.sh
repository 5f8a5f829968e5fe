# What was put on this machine, and how it is put there. Sourced by scripts/install and scripts/uninstall, never run.
# shellcheck shell=bash

# One line for each thing, later lines in the place of earlier ones:
#   version VERSION, prefix DIR
#   file SHA256 PATH             a file of ours
#   made PATH                    a folder that was not there before
#   daemon-json BEFORE AFTER     digests of Docker's configuration; BEFORE is `absent` if there was none
state=/var/lib/causeway
manifest=$state/installed

# recorded WORD: the newest line's value, or nothing.
recorded() { [ ! -e "$manifest" ] || awk -v word="$1" '$1 == word { $1 = ""; value = substr($0, 2) } END { print value }' "$manifest"; }

recorded_files() { [ ! -e "$manifest" ] || awk '$1 == "file" { sub(/^file [^ ]+ /, ""); print }' "$manifest" | sort -u; }

recorded_folders() { [ ! -e "$manifest" ] || sed -n 's/^made //p' "$manifest" | sort -ru; }

is_recorded() { [ -e "$manifest" ] && [ -n "$(recorded_digest "$1")" ]; }

# The digest that a file of ours had when it was put in place last.
recorded_digest() {
    awk -v path="$1" '$1 == "file" && substr($0, 71) == path { digest = $2 } END { print digest }' "$manifest"
}

digest() { sha256sum <"$1" | cut -d' ' -f1; }

is_changed() { [ "$(digest "$1")" != "$(recorded_digest "$1")" ]; }

has_systemd() { [ -d /run/systemd/system ]; }

# Two at once would undo each other. The folder is locked, so that no file is left behind.
one_at_a_time() {
    exec 9</run
    flock --nonblock 9 || fail "another scripts/install or scripts/uninstall is at work; wait for it"
}

begin_manifest() {
    make_folder "$state"
    chmod 700 "$state"
    (umask 077 && touch "$manifest")
    # shellcheck disable=SC2154  # set by scripts/install
    record "prefix $prefix"
}

# The line is on the disk before what it speaks of is done, so that an interrupted run can be undone.
record() { printf '%s\n' "$*" >>"$manifest"; }

# Each fact once, the newest.
finish_manifest() {
    # shellcheck disable=SC2154  # set by scripts/install
    record "version $version"
    awk '{ key = $1 ($1 == "file" ? substr($0, 71) : $1 == "made" ? substr($0, 6) : "") }
        !(key in last) { order[++count] = key } { last[key] = $0 }
        END { for (i = 1; i <= count; i++) print last[order[i]] }' "$manifest" >"$manifest.new"
    chmod 600 "$manifest.new"
    mv "$manifest.new" "$manifest"
}

# make_folder PATH: makes it with its parents, and remembers which of them were not there.
make_folder() {
    local path=$1 missing=()
    while [ ! -d "$path" ]; do
        missing=("$path" "${missing[@]}")
        path=$(dirname "$path")
    done
    for path in "${missing[@]}"; do
        mkdir "$path"
        if [ "$path" = "$state" ]; then continue; fi
        [ ! -e "$manifest" ] || record "made $path"
    done
}

# place MODE PATH <CONTENT: puts a file in place whole, by rename, so that a program that runs keeps its own.
place() {
    local mode=$1 path=$2 new=$2.causeway-new word=new
    make_folder "$(dirname "$path")"
    cat >"$new"
    chmod "$mode" "$new"
    if [ -e "$path" ]; then
        word=same
        if ! cmp --quiet "$new" "$path"; then
            word=replaced
            keep_operators_changes "$path"
        fi
    fi
    record "file $(digest "$new") $path"
    mv -f "$new" "$path"
    say "$word  $path"
}

# What was changed by hand since it was installed is not thrown away.
keep_operators_changes() {
    case $1 in "$prefix"/bin/*) return ;; esac
    if is_recorded "$1" && is_changed "$1"; then
        cp -p "$1" "$1.saved"
        say "changed by hand since it was installed; that is kept as $1.saved"
    fi
}

# Our files that are not as they were put in place.
changed_files() {
    local path
    while read -r path; do
        if [ -e "$path" ] && is_changed "$path"; then echo "$path"; fi
    done < <(recorded_files)
}

# Removes our files, and the folders that were made for them and are empty.
remove_recorded_files() {
    local path
    while read -r path; do
        [ -e "$path" ] || say "gone already: $path"
        rm -f "$path" "$path.causeway-new"
    done < <(recorded_files)
    while read -r path; do
        rmdir "$path" 2>/dev/null || [ ! -d "$path" ] || say "not empty, and left: $path"
    done < <(recorded_folders)
}

forget_manifest() {
    rm -f "$manifest" "$manifest.new" "$state/daemon.json.before"
    rmdir "$state" 2>/dev/null || true
}
