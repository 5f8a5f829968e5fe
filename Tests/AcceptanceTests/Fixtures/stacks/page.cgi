#!/bin/sh
# What a proxy answers: its own line, and what each of $ASK answers.
printf 'Content-Type: text/plain\r\n\r\n'
printf 'proxy %s\n' "$VERSION"
for host in $ASK; do timeout 3 wget -q -O - "http://$host/" || echo "$host does not answer"; done
