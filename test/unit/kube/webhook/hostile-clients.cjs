/**
 * Hostile clients of a webhook, in a process of their own: `node hostile-clients.cjs PORT COUNT ATTACK`. They connect from
 * several addresses, and again when the server ends their connection.
 */
const { connect: connectTcp } = require("node:net");
const { connect: connectTls } = require("node:tls");

/** Addresses of the clients: each is one source. The honest client is 127.0.0.1. */
const SOURCES = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"];
const AGAIN_MS = 1000;
const BODY = 6 * 1024 * 1024;

const overTls = (use) => (socket) => {
  const tls = connectTls({ socket, rejectUnauthorized: false });
  tls.on("error", () => undefined);
  tls.once("secureConnect", () => use(tls));
};
const head = (more) => `POST /restore HTTP/1.1\r\nhost: a\r\n${more}\r\n\r\n`;
const flood = Buffer.alloc(BODY, " ");
/** Almost the largest body that is read, of the JSON that needs the most memory. */
const objects = Buffer.from(`[${"{},".repeat(1_300_000)}{}]`);

const attacks = {
  "bodies of 6 MB": overTls((socket) => {
    socket.write(head(`content-length: ${BODY}`));
    socket.write(flood);
  }),
  "bodies of 6 MB without a length": overTls((socket) => {
    socket.write(head("transfer-encoding: chunked"));
    socket.write(`${BODY.toString(16)}\r\n`);
    socket.write(flood);
  }),
  "large valid JSON": overTls((socket) => {
    socket.write(head(`content-length: ${objects.length}`));
    socket.write(objects);
  }),
  "bodies that stop before their end": overTls((socket) => {
    socket.write(head("content-length: 60000"));
    socket.write(flood.subarray(0, 59_000));
  }),
  "clients that read nothing": overTls((socket) => {
    socket.pause();
    socket.write(`${head("content-length: 2")}{}`.repeat(50));
  }),
  "requests with a wrong signature": overTls((socket) => {
    const time = Math.floor(Date.now() / 1000);
    const signature = `webhook-id: a\r\nwebhook-timestamp: ${time}\r\nwebhook-signature: v1,AAAA`;
    const body = flood.subarray(0, 60_000);
    const path = "/checkpointpolicies/shop/deploy";
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: a\r\n${signature}\r\ncontent-length: ${body.length}\r\n\r\n`,
    );
    socket.write(body);
  }),
  "bodies of 10 MB": overTls((socket) => {
    socket.write(head(`content-length: ${10 * 1024 * 1024}`));
    socket.write(flood);
  }),
  "headers that do not end": overTls((socket) => socket.write("POST /restore HTTP/1.1\r\nhost: a\r\n")),
  "connections without a TLS handshake": () => undefined,
  "connections without a request": overTls(() => undefined),
};

const [port, count, name] = process.argv.slice(2);
const open = (index) => {
  const localAddress = SOURCES[index % SOURCES.length];
  const socket = connectTcp({ port: Number(port), host: "127.0.0.1", localAddress });
  socket.on("error", () => undefined);
  socket.once("close", () => setTimeout(open, AGAIN_MS, index));
  attacks[name](socket);
};
for (let index = 0; index < Number(count); index++) open(index);
process.stdout.write("started\n");
