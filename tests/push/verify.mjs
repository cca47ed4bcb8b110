// A receiver in JavaScript: verifies lines of {secret, headers, body (base64), at (seconds)} with the published library and
// answers each with true or false. `at` is what its clock says.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { Webhook } = createRequire(import.meta.url)("standardwebhooks");

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line);
  Date.now = () => asked.at * 1000;
  let accepted = true;
  try {
    new Webhook(asked.secret).verify(Buffer.from(asked.body, "base64"), asked.headers);
  } catch {
    accepted = false;
  }
  process.stdout.write(`${accepted}\n`);
}
