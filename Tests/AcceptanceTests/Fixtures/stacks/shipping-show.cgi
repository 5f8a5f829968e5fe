#!/bin/sh
# Shows the last line of each node.
printf 'Content-Type: text/plain\r\n\r\n'
cat /www/by/*
