# Turns what `COMMAND --experimental-dump-help` prints into a man page: jq -r --arg section 8 -f man.jq
#
# man(7). Variables: section, version, date.

# A backslash, and a quote or a dot at the start of a line, mean something to troff.
def escaped: gsub("\\\\"; "\\e") | gsub("-"; "\\-") | gsub("(?m)^(?<sign>[.'])"; "\\&\(.sign)");

# Indented lines are examples and tables, which must not be filled; the others are.
def prose:
    split("\n")[]
    | if . == "" then ".PP" elif startswith(" ") then ".nf", escaped, ".fi" else escaped end;

def flag: if .kind == "short" then "-\(.name)" elif .kind == "long" then "--\(.name)" else "-\(.name)" end;

def signature:
    if .kind == "positional" then "<\(.valueName)>"
    else ([.names[] | flag] | join(", ")) + (if .kind == "option" then " <\(.valueName)>" else "" end) end;

def details:
    [ .abstract // empty,
      (if .allValues then "One of: \(.allValues | join(", "))." else empty end),
      (if .defaultValue then "Default: \(.defaultValue)." else empty end) ] | join(" ");

def arguments:
    .arguments[]? | select(.shouldDisplay) | ".TP", ".B \(signature | escaped)", (details | escaped);

def usage:
    [ (.superCommands // [])[], .commandName,
      (if any(.arguments[]?; .kind != "positional") then "[options]" else empty end),
      (.arguments[]? | select(.kind == "positional") | if .isOptional then "[\(signature)]" else signature end) ]
    | join(" ");

def shown_subcommands: [.subcommands[]? | select(.shouldDisplay and .commandName != "help")];

.command as $top
| ".TH \($top.commandName | ascii_upcase) \($section) \"\($date)\" \"causeway \($version)\" \"Causeway\"",
  ".SH NAME", "\($top.commandName | escaped) \\- \($top.abstract | rtrimstr(".") | escaped)",
  ".SH SYNOPSIS",
  ($top | ".B \(usage | escaped)"),
  ($top | shown_subcommands[] | ".br", ".B \(usage | escaped)"),
  ".SH DESCRIPTION", (($top.discussion // $top.abstract) | prose),
  ".SH OPTIONS", ($top | arguments),
  ($top | shown_subcommands[]
    | ".SH \"\((.superCommands + [.commandName]) | join(" ") | ascii_upcase)\"",
      (.abstract | escaped), ".PP", ((.discussion // "") | select(. != "") | prose), (. | arguments))
