#!/bin/sh
# The one page: who answers, and whom it saw. No process besides this one.
read -r name </proc/sys/kernel/hostname
caller=${REMOTE_ADDR#[}
caller=${caller%]}
caller=${caller#::ffff:}
printf 'Content-Type: text/plain\r\nCache-Control: no-store\r\n\r\n%s saw %s\n' "$name" "$caller"
