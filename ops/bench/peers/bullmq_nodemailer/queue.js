// node queue.js add: one job per row, into a paused queue. node queue.js start: lets the workers begin.
import { Queue } from "bullmq";
import pg from "pg";

const CHUNK = 1000;

const broker = new URL(process.env.PEER_BROKER_URL);
const connection = { host: broker.hostname, port: Number(broker.port), db: Number(broker.pathname.slice(1) || 0) };
const queue = new Queue("deliver", { connection, defaultJobOptions: { removeOnComplete: true } });

if (process.argv[2] === "start") {
  await queue.resume();
} else {
  await queue.pause();
  const database = new pg.Client(process.env.PEER_DATABASE_URL);
  await database.connect();
  const { rows } = await database.query("SELECT id FROM notifications WHERE due_at IS NOT NULL ORDER BY id");
  for (let start = 0; start < rows.length; start += CHUNK) {
    await queue.addBulk(rows.slice(start, start + CHUNK).map(({ id }) => ({ name: "deliver", data: { id } })));
  }
  await database.end();
}
await queue.close();
