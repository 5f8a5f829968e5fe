/// How the page looks, and what it does when something is pointed at.
enum HTMLStyle {
    static let sheet = """
        body{margin:0;font:14px "DejaVu Sans",Verdana,"Segoe UI",Helvetica,Arial,sans-serif;color:#1f2933;background:#fff}
        #picture{overflow:auto}#picture svg{display:block;max-width:100%;min-width:900px;height:auto}[data-hop]{cursor:help;outline-offset:2px}
        #hint{margin:8px 30px;color:#52606d}#details{padding:0 30px 40px}
        .live h2,.live section{display:none}.live section.shown{display:block}
        .live #details{position:fixed;left:0;right:0;bottom:0;max-height:45vh;overflow:auto;padding:0 30px;background:#fff;
        border-top:2px solid #334e68}.live{padding-bottom:46vh}
        h3{margin:12px 0 4px;font-size:14px}p{margin:4px 0}span{color:#52606d}.unsure{color:#b7791f}.chosen{font-weight:bold}
        code{font:12px "DejaVu Sans Mono",Menlo,Consolas,monospace;overflow-wrap:anywhere}td{padding-right:16px}
        .command{background:#e4e7eb;padding:2px 6px;border-radius:3px;user-select:all}
        @media (prefers-color-scheme:dark){body,.live #details{color:#e4e7eb;background:#11161c}span,#hint{color:#9aa5b1}
        .command{background:#222b36}}
        @media print{.live #details{position:static;max-height:none}.live section{display:block}}
        """

    static let script = """
        document.body.classList.add("live");
        const show = thing => {
          document.querySelectorAll("section.shown").forEach(one => one.classList.remove("shown"));
          thing.dataset.hop.split(" ").forEach(id => document.getElementById(id)?.classList.add("shown"));
        };
        document.querySelectorAll("[data-hop]").forEach(thing => {
          thing.setAttribute("tabindex", "0");
          ["mouseenter", "focus", "click"].forEach(event => thing.addEventListener(event, () => show(thing)));
        });
        """
}
