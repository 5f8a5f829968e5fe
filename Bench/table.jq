# The figures of Bench/report.jq as a table for people.
def right($width): tostring | (" " * ([0, $width - length] | max)) + .;
def left($width): tostring | . + (" " * ([0, $width - length] | max));
def short: if . == null then "" elif . >= 1000 then round elif . >= 10 then . * 10 | round / 10 else . * 1000 | round / 1000 end;

"\(.machine.processor), \(.machine.processors) processors, Linux \(.machine.kernel), Docker \(.machine.docker)"
    + (if .machine.quick then "\nA quick run: not to be quoted." else "" end),
"",
"\("case" | left(18))\("what" | left(24))\("median" | right(10))\("least" | right(10)) \("unit" | left(5))\("per second" | right(11))\("times" | right(7))",
(.figures[]
    | "\(.case | left(18))\(.what | left(24))\(.median | short | right(10))\(.least | short | right(10)) "
        + "\(.unit | left(5))\(.rate | short | right(11))\(.measured | right(7))"),
"",
"\("case" | left(18))\("ratio" | left(46))\("is" | right(8))  aim",
(.ratios[]
    | "\(.case | left(18))\(.name | left(46))\(.ratio | right(8))  "
        + (if .bound then "\(.bound) \(.aim)" + (if .met then "" else "   MISSED" end) else "" end))
