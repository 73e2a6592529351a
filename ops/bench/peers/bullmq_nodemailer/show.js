// node show.js KIND LOCALE < facts.json: the rendered mail as JSON, to hold it against closeloop's.
import { readFileSync } from "node:fs";
import { Renderer } from "./templates.js";

const [kind, locale] = process.argv.slice(2);
const facts = JSON.parse(readFileSync(0));
console.log(JSON.stringify(new Renderer(process.env.PEER_TEMPLATES).mail(kind, locale, facts)));
