// A peer of the benchmark `deadlines`: one BullMQ job per deadline, with `delay`.
// node delayed.js add FILE puts them into Redis; node delayed.js work hears them.
import { readFileSync } from "node:fs";
import { Queue, Worker } from "bullmq";
import pg from "pg";

const CHUNK = 1000;
const NAME = "deadlines";
const [, , work, file] = process.argv;
const broker = new URL(process.env.PEER_BROKER_URL);
const connection = { host: broker.hostname, port: Number(broker.port), db: Number(broker.pathname.slice(1) || 0) };

if (work === "add") {
  const queue = new Queue(NAME, { connection, defaultJobOptions: { removeOnComplete: true } });
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean).map((line) => line.split(" "));
  for (let start = 0; start < lines.length; start += CHUNK) {
    const now = Date.now();
    const jobs = lines.slice(start, start + CHUNK).map(([id, at]) => ({
      name: "hear",
      data: { id },
      opts: { delay: Math.max(0, Math.round(at * 1000 - now)) },
    }));
    await queue.addBulk(jobs);
  }
  await queue.close();
} else {
  const database = new pg.Pool({
    connectionString: process.env.PEER_DATABASE_URL,
    max: Number(process.env.PEER_DATABASE_CONNECTIONS),
  });
  // Named, so that it is prepared once per connection.
  const hear = (job) => database.query({ name: "hear", text: process.env.PEER_EFFECT, values: [job.data.id] });
  const worker = new Worker(NAME, hear, { connection, concurrency: Number(process.env.PEER_CONCURRENCY) });
  worker.on("failed", (job, error) => console.error(job?.id, error));
  process.on("SIGTERM", async () => {
    await worker.close();
    await database.end();
    process.exit(0);
  });
}
