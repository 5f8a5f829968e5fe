/// Colours and fonts.
///
/// Light is the default; a reader who prefers dark gets dark.
enum SVGStyle {
    /// Only where there is one.
    static let tunnel = ".pipe{fill:none;stroke:#805ad5;stroke-width:18;stroke-opacity:.28;stroke-linecap:round}"

    static let sheet = """
        text{font-family:"DejaVu Sans",Verdana,"Segoe UI",Helvetica,Arial,sans-serif;font-size:12px;fill:#1f2933}
        .mono{font-family:"DejaVu Sans Mono",Menlo,Consolas,"Liberation Mono",monospace;font-size:11px}
        .small{font-size:10px;fill:#52606d}.title{font-size:17px;font-weight:bold}.panel{font-size:22px;font-weight:bold}.bold{font-weight:bold}
        .heading{font-size:13px;font-weight:bold}.count{font-size:12px;fill:#52606d}
        .address{font-family:"DejaVu Sans Mono",Menlo,Consolas,monospace;font-size:12px;font-weight:bold}
        .plain{fill:#e4e7eb}.paper{fill:#ffffff}.space{fill:#e4e7eb;stroke:#9aa5b1;stroke-width:1.5}
        .table{fill:#ffffff;stroke:#7b8794;stroke-width:1.2}.acting{fill:#fff7e0;stroke:#b7791f;stroke-width:2}
        .router{fill:#ffffff;stroke:#334e68;stroke-width:2}.icon{fill:none;stroke:#334e68;stroke-width:2}
        .bridge{fill:#ffffff;stroke:#334e68;stroke-width:2}.device{fill:#52606d;stroke:none}.onDevice{fill:#ffffff}
        .socket{fill:#ffffff;stroke:#2f855a;stroke-width:2}.ghost{fill:none;stroke:#9aa5b1;stroke-dasharray:4 3}
        .out{fill:none;stroke:#1d5fbf;stroke-width:3;stroke-linejoin:round}.outFill{fill:#1d5fbf}
        .back{fill:none;stroke:#c2410c;stroke-width:3;stroke-dasharray:9 6;stroke-linejoin:round}.backFill{fill:#c2410c}
        .outText{fill:#1d5fbf}.backText{fill:#c2410c}.leader{fill:none;stroke:#9aa5b1;stroke-width:1}
        .badge{fill:#334e68}.onBadge{fill:#ffffff;font-size:10px;font-weight:bold}
        .good{fill:#2f855a}.bad{fill:#c53030}.cross{fill:none;stroke:#c53030;stroke-width:4}.unsure{fill:#b7791f}
        .way{fill:none;stroke:#7b8794;stroke-width:1.5;stroke-linejoin:round}
        .bar{fill:#bcccdc}.barChosen{fill:#1d5fbf}.rule{stroke:#cbd2d9;stroke-width:1;fill:none}
        @media (prefers-color-scheme:dark){
        text{fill:#e4e7eb}.small,.count{fill:#9aa5b1}.paper{fill:#11161c}.plain{fill:#222b36}.space{fill:#222b36;stroke:#52606d}
        .table,.router,.bridge,.socket{fill:#11161c}.table{stroke:#7b8794}.acting{fill:#3a2e12;stroke:#e0a83a}
        .router,.bridge,.icon{stroke:#9fb3c8}.device{fill:#9aa5b1}.onDevice{fill:#11161c}.socket{stroke:#68d391}
        .out{stroke:#63a4ff}.outFill,.outText,.barChosen{fill:#63a4ff}.back{stroke:#fb923c}.backFill,.backText{fill:#fb923c}
        .badge{fill:#9fb3c8}.onBadge{fill:#11161c}.good{fill:#68d391}.bad{fill:#fc8181}.cross{stroke:#fc8181}
        .way{fill:none;stroke:#7b8794;stroke-width:1.5;stroke-linejoin:round}
        .bar{fill:#3e4c59}.rule{stroke:#3e4c59}.unsure{fill:#e0a83a}.ghost,.leader,.way{stroke:#52606d}}
        """
}
