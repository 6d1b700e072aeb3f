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
    "tr.part th{padding-left:30px}\n",
};

void html_style(FILE *out)
{
    fputs("<style>\n", out);
    for (size_t i = 0; i < sizeof sheet / sizeof *sheet; i++) fputs(sheet[i], out);
    fputs("</style>\n", out);
}
