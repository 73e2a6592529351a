// closeloop's own templates in nunjucks. The files come from ops/bench/dialects.py: Jinja as it is, but for the
// few words that nunjucks does not know, with the stylesheet already written into the elements.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import nunjucks from "nunjucks";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** A renderer over `folder`: templates are compiled once and kept. */
export class Renderer {
  constructor(folder) {
    const labels = Object.fromEntries(
      ["en", "zh_CN"].map((locale) => [locale, JSON.parse(readFileSync(join(folder, `labels.${locale}.json`)))]),
    );
    this.text = environment(folder, labels, false);
    this.html = environment(folder, labels, true);
  }

  /** Subject, text and HTML of one mail. */
  mail(kind, locale, facts) {
    const folder = `email/${kind}/${locale}`;
    const all = { ...facts, locale, links: facts.links ?? {} };
    return {
      subject: this.text.render(`${folder}/subject.txt`, all).trim(),
      text: this.text.render(`${folder}/body.txt`, all).replace(/^\n+|\n+$/g, "") + "\n",
      html: this.html.render(`${folder}/body.html`, all),
    };
  }
}

function environment(folder, labels, autoescape) {
  const loader = new nunjucks.FileSystemLoader(folder, { watch: false, noCache: false });
  const made = new nunjucks.Environment(loader, { autoescape, trimBlocks: true, lstripBlocks: true });
  made.addFilter("moment", function (value, options) {
    return moment(value, this.lookup("zone"), this.lookup("locale") === "zh_CN", options?.offset);
  });
  made.addFilter("label", function (code, group) {
    return labels[this.lookup("locale")][group][code] ?? String(code).replaceAll("_", " ");
  });
  made.addFilter("topic", (subject) => subject.replace(/^((re|fwd?|aw|回复|转发)[:：]\s*)+/i, "").trim());
  made.addFilter("lines", (words) => nunjucks.lib.escape(words).split("\n").join("<br>\n"));
  return made;
}

const formats = new Map();

/** An instant in the team's zone: 20 May 14:30, with `offset` 20 May 14:30 (UTC+8); 5月20日 14:30. */
function moment(value, zone, chinese, offset) {
  if (!formats.has(zone)) {
    const parts = { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    formats.set(zone, new Intl.DateTimeFormat("en", { ...parts, timeZone: zone, timeZoneName: "shortOffset" }));
  }
  const found = {};
  for (const { type, value: words } of formats.get(zone).formatToParts(new Date(value))) found[type] = words;
  const time = `${found.hour}:${found.minute}`;
  const text = chinese ? `${found.month}月${found.day}日 ${time}` : `${found.day} ${MONTHS[found.month - 1]} ${time}`;
  return offset ? `${text} (${found.timeZoneName.replace("GMT", "UTC")})` : text;
}
