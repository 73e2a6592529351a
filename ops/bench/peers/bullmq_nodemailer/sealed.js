// Opens what closeloop sealed: AES-256-GCM, version byte 1, 12 bytes of nonce, ciphertext, 16 bytes of tag.
import { createDecipheriv } from "node:crypto";

const NONCE = 12;
const TAG = 16;
const WRAP_PLACE = "closeloop data key";

/** The bytes that `key` sealed for `place`; throws when they are not. */
export function open(key, sealed, place) {
  if (sealed[0] !== 1) throw new Error("these are not sealed bytes");
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 1 + NONCE));
  decipher.setAAD(Buffer.from(place));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
  const body = sealed.subarray(1 + NONCE, sealed.length - TAG);
  return Buffer.concat([decipher.update(body), decipher.final()]);
}

/** The ring keys of "id:base64,id2:base64" by id. */
export function parseRing(text) {
  const pairs = text.split(",").map((item) => item.trim().split(":"));
  return new Map(pairs.map(([name, key]) => [name, Buffer.from(key, "base64")]));
}

/** The data key that ring key `name` wrapped. */
export function unwrap(ring, name, wrapped) {
  return open(ring.get(name), wrapped, WRAP_PLACE);
}
