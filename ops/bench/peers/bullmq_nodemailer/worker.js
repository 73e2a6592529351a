// The peer: BullMQ with one job per mail, nodemailer's pool, pg's pool; the whole job of a mail.
//
// It works on the same tables as closeloop and renders the same templates, in the way a good Node project
// would: kept connections, named (prepared) statements, many jobs at once, finished jobs removed. It stores
// neither bodies nor attempts before sending, and cannot tell a lost answer from a refusal: it does less
// than closeloop.
import { randomUUID } from "node:crypto";
import { Worker } from "bullmq";
import nodemailer from "nodemailer";
import pg from "pg";
import { open, parseRing, unwrap } from "./sealed.js";
import { Renderer } from "./templates.js";

const SENDER = "support@closeloop.localhost";
const CLAIM = {
  name: "claim",
  text: `
    UPDATE notifications n SET state = 'sending', tries = n.tries + 1 FROM data_keys k
    WHERE n.id = $1 AND n.state = 'queued' AND k.id = n.data_key_id
    RETURNING n.kind, n.locale, n.recipient_sealed, n.facts_sealed, n.message_id, k.ring_key, k.wrapped`,
};
// State and attempt in one statement: one transaction, one round trip.
const RECORD = {
  name: "record",
  text: `
    WITH done AS (
      UPDATE notifications SET state = $2, reason = $3, sent_at = $4, due_at = NULL WHERE id = $1
    )
    INSERT INTO delivery_attempts
      (id, notification_id, lease_token, started_at, finished_at, outcome, reason, code, text, host, tls)
    VALUES ($5, $1, $6, $7, $8, $2, $9, $10, $11, $12, false)`,
};

const concurrency = Number(process.env.PEER_CONCURRENCY);
const [host, port] = process.env.PEER_SMTP.split(":");
const broker = new URL(process.env.PEER_BROKER_URL);
const ring = parseRing(process.env.PEER_SECRET_KEYS);
const renderer = new Renderer(process.env.PEER_TEMPLATES);
const database = new pg.Pool({
  connectionString: process.env.PEER_DATABASE_URL,
  max: Number(process.env.PEER_DATABASE_CONNECTIONS),
});
const relay = nodemailer.createTransport({
  pool: true,
  host,
  port: Number(port),
  ignoreTLS: true,
  maxConnections: Number(process.env.PEER_RELAY_CONNECTIONS),
  maxMessages: Infinity,
});

/** Claim the row, decrypt, render, compose and send, record. */
async function deliver(job) {
  const started = new Date();
  const { rows } = await database.query(CLAIM, [job.data.id]);
  if (rows.length === 0) return;
  const [row] = rows;
  const key = unwrap(ring, row.ring_key, row.wrapped);
  const recipient = open(key, row.recipient_sealed, "notifications.recipient").toString();
  const facts = JSON.parse(open(key, row.facts_sealed, "notifications.facts"));
  const rendered = renderer.mail(row.kind, row.locale, facts);
  const { state, reason, code, words } = await send(row, facts, recipient, rendered);
  const now = new Date();
  const attempt = [randomUUID(), randomUUID(), started, now, reason ?? "accepted", code, words, process.env.PEER_SMTP];
  await database.query(RECORD, [job.data.id, state, reason, state === "sent" ? now : null, ...attempt]);
}

/** One mail over the pool: state, reason, code and words of the answer. */
async function send(row, facts, recipient, rendered) {
  try {
    const { response } = await relay.sendMail({
      from: { name: facts.team.name, address: SENDER },
      to: { name: facts.recipient.name, address: recipient },
      messageId: row.message_id,
      inReplyTo: facts.thread.at(-1),
      references: facts.thread,
      headers: { "Auto-Submitted": "auto-generated" },
      ...rendered,
    });
    return { state: "sent", reason: null, code: 250, words: response.slice(4, 500) };
  } catch (error) {
    return { state: "failed", reason: "refused", code: error.responseCode ?? null, words: String(error).slice(0, 500) };
  }
}

const worker = new Worker("deliver", deliver, {
  connection: { host: broker.hostname, port: Number(broker.port), db: Number(broker.pathname.slice(1) || 0) },
  concurrency,
});
worker.on("failed", (job, error) => console.error(job?.id, error));

process.on("SIGTERM", async () => {
  await worker.close();
  relay.close();
  await database.end();
  process.exit(0);
});
