import type { Socket } from "node:net";
import { ConnectionQueue } from "../../../../kube/webhook/connection-queue";

const turn = () => new Promise((resolve) => setImmediate(resolve));
const socketOf = (remoteAddress: string) => ({ remoteAddress, destroyed: false }) as unknown as Socket;

test("admits one connection in each turn of the event loop, and a new source before the many of another", async () => {
  const admitted: Socket[] = [];
  const queue = new ConnectionQueue((socket) => admitted.push(socket));
  const many = Array.from({ length: 100 }, () => socketOf("10.0.0.1"));
  for (const socket of many) queue.add(socket);
  await turn();
  expect(admitted).toEqual([]);
  await turn();
  expect(admitted).toEqual([many[0]]);
  const other = socketOf("10.0.0.2");
  queue.add(other);
  for (let index = 0; index < 3; index++) await turn();
  expect(admitted).toHaveLength(3);
  expect(admitted).toContain(other);
  for (let index = 0; index < 98; index++) await turn();
  expect(admitted.filter((socket) => socket !== other)).toEqual(many);
});

test.each(["accepted", "refused"])(
  "takes connections that arrive first, and admits one in 16 turns: %s",
  async (is) => {
    const admitted: Socket[] = [];
    const queue = new ConnectionQueue((socket) => admitted.push(socket));
    queue.add(socketOf("a"));
    queue.add(socketOf("a"));
    const turns: number[] = [];
    for (let index = 0; index < 40; index++) {
      if (is === "accepted") queue.add(socketOf("b"));
      else queue.arrive();
      await turn();
      turns.push(admitted.length);
    }
    expect([turns[14], turns[15], turns[30], turns[31], turns[39]]).toEqual([0, 1, 1, 2, 2]);
  },
);

test("admits no connection that was closed meanwhile, and uses no turn for it", async () => {
  const admitted: Socket[] = [];
  const queue = new ConnectionQueue((socket) => admitted.push(socket));
  const [closed, open] = [socketOf("a"), socketOf("a")] as [Socket, Socket];
  queue.add(closed);
  queue.add(open);
  (closed as { destroyed: boolean }).destroyed = true;
  await turn();
  await turn();
  expect(admitted).toEqual([open]);
  const later = socketOf("b");
  queue.add(later);
  await turn();
  await turn();
  expect(admitted).toEqual([open, later]);
});
