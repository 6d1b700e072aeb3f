/* The page's style sheet: light and dark, 1280 pixels and paper. */
#include "report_html.h"

static const char *const sheet[] = {
    ":root{--page:#ffffff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--band:#f6f8fa;--link:#0969da;--warn:#9a3412;"
    "--warnbg:#fff4e5}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--page:#14171b;--ink:#e6e9ed;--soft:#9ea7b3;--line:#3a424c;"
    "--band:#1d2228;--link:#6cb6ff;--warn:#ffb77c;--warnbg:#33261a}}\n"
    "html{color-scheme:light dark;background:var(--page);color:var(--ink)}\n"
    "body{max-width:1200px;margin:0 auto;padding:24px 20px 60px;font:15px/1.45 system-ui,-apple-system,\"Segoe UI\","
    "\"Liberation Sans\",Arial,sans-serif}\n"
    "h1{font-size:26px;line-height:1.2;margin:0 0 14px}\n"
    "h2{font-size:19px;margin:38px 0 10px;padding-top:12px;border-top:1px solid var(--line)}\n"
    "h3{font-size:15px;margin:18px 0 6px}\n"
    "p{margin:6px 0;max-width:86ch}\n"
    ".soft{color:var(--soft)}\n",
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:3px 18px;margin:0}\n"
    "dt{color:var(--soft)}\n"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    ".scroll{overflow-x:auto}\n"
    "table{border-collapse:collapse;font-size:14px}\n"
    "th,td{padding:3px 12px;text-align:left;vertical-align:top}\n"
    "thead th{border-bottom:1px solid var(--ink);font-weight:600;vertical-align:bottom}\n"
    "tbody th{font-weight:400}\n"
    "tbody tr:nth-child(even){background:var(--band)}\n"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
    "tr.top th{font-weight:600}\n"
    "tr.part th{padding-left:30px}tr.deep th{padding-left:48px}\n",
    "svg{display:block;font:13px system-ui,-apple-system,\"Segoe UI\",\"Liberation Sans\",Arial,sans-serif}\n"
    "svg text{fill:var(--ink)}\n"
    ".mid{text-anchor:middle}\n"
    ".end{text-anchor:end}\n"
    "svg .name{font-weight:600}\n"
    "svg .n{font-variant-numeric:tabular-nums}\n"
    "svg .tick{fill:var(--soft);font-size:12px}\n"
    ".rule{stroke:var(--line)}\n"
    ".zero{stroke:var(--ink)}\n"
    ".bandbar{fill:var(--dot);fill-opacity:.35}\n"
    ".dot{fill:var(--dot);stroke:var(--page);stroke-width:2}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:8px 0 0;padding:0 0 0 "
    "160px;font-size:13px}\n"
    ".legend svg{display:inline-block;vertical-align:-2px;margin-right:6px}\n",
    /* Okabe and Ito's colours, then Tol's: told apart with the common kinds of colour blindness. */
    ".s0 rect{fill:#a7b0ba}.s1 rect{fill:#cc79a7}.s2 rect{fill:#f0e442}.s3 rect{fill:#56b4e9}.s4 rect{fill:#0072b2}\n"
    ".s5 rect{fill:#009e73}.s6 rect{fill:#882255}.s7 rect{fill:#e69f00}.s8 rect{fill:#d55e00}.s9 rect{fill:#44aa99}\n"
    ".s10 rect{fill:#dddddd}.s11 rect{fill:#332288}\n"
    ".seg text{fill:#101418}\n"
    ".s4 text,.s6 text,.s11 text{fill:#fff}\n"
    ":root{--dot:#0072b2;--inverse:#fff}\n"
    ".heat0{--heat:#0b5cad}.heat1{--heat:#00735a}.heat2{--heat:#a04000}\n"
    "@media screen and (prefers-color-scheme:dark){:root{--dot:#56b4e9;--inverse:#0c0f12}\n"
    ".heat0{--heat:#6cb6ff}.heat1{--heat:#3fcf9f}.heat2{--heat:#ffa657}\n"
    ".s6 rect{fill:#b0507e}.s11 rect{fill:#6f63cf}\n"
    ".h6 text,.h7 text{fill:var(--inverse)}}\n"
    ".grids{display:flex;flex-wrap:wrap;gap:12px 20px}\n"
    "figure{margin:0;min-width:160px}\n"
    "figcaption{font-size:13px;color:var(--soft);margin-bottom:6px;max-width:364px}\n"
    "figure svg{font-size:12px}\n"
    "figure rect{fill:var(--heat);rx:3px}\n"
    ".h0 rect{fill:var(--band);fill-opacity:1}.h1 rect{fill-opacity:.1}.h2 rect{fill-opacity:.2}"
    ".h3 rect{fill-opacity:.3}.h4 rect{fill-opacity:.4}.h5 rect{fill-opacity:.5}.h6 rect{fill-opacity:.6}"
    ".h7 rect{fill-opacity:.7}.h8 rect{fill-opacity:.8}.h9 rect{fill-opacity:.9}.h10 rect{fill-opacity:1}\n"
    ".h0 text{fill:var(--soft)}\n"
    ".h8 text,.h9 text,.h10 text{fill:var(--inverse)}\n",
    ".notes{margin:0;padding-left:20px}\n"
    ".bad{color:var(--warn);background:var(--warnbg);padding:2px 6px}\n"
    ".assumed{columns:3 320px;column-gap:28px;margin:6px 0;padding-left:18px;font-size:13px}\n"
    ".assumed li{break-inside:avoid;overflow-wrap:anywhere}\n"
    ".config{font-size:13px;width:100%}\n"
    ".config th,.config td{overflow-wrap:break-word}\n"
    ".config tbody th{white-space:nowrap}\n"
    "summary{cursor:pointer;color:var(--link)}\n"
    "@media print{body{max-width:none;padding:0;font-size:10pt}table{font-size:8.5pt}th,td{padding:2px 6px}\n"
    "h2{margin-top:20px}h2,h3,h3+p{break-after:avoid}tr,figure,svg{break-inside:avoid}\n"
    "rect,circle,tbody tr{-webkit-print-color-adjust:exact;print-color-adjust:exact}\n"
    ".grids{zoom:.9}.scroll{overflow:visible}.scroll svg{max-width:100%;height:auto}.legend{padding-left:0}}\n",
};

void html_style(FILE *out)
{
    fputs("<style>\n", out);
    for (size_t i = 0; i < sizeof sheet / sizeof *sheet; i++) fputs(sheet[i], out);
    fputs("</style>\n", out);
}
