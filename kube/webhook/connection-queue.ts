import type { Socket } from "node:net";
import { FairKeys } from "../controller/fair-keys";
import { sourceOf } from "./limits";

/** Turns of the event loop in which connections arrive, before one is admitted all the same. */
const ARRIVALS = 16;

/**
 * Admits new connections one after the other, and sources take turns. libuv accepts one connection in each turn of the event
 * loop, and a handshake costs some milliseconds: if each began at once, a client would wait for the handshakes of all that
 * connected before it. So connections that arrive are taken first, and none is admitted in the same turn.
 */
export class ConnectionQueue {
  private readonly order = new FairKeys();
  private readonly sockets = new Map<string, Socket>();
  private count = 0;
  private scheduled = false;
  /** Whether one arrived in this turn, and for how many turns that was so. */
  private arrived = false;
  private arrivals = 0;

  /** @param admit begins the handshake */
  constructor(private readonly admit: (socket: Socket) => void) {}

  /** Notes that a connection arrived in this turn, also one that is not added. */
  arrive(): void {
    this.arrived = true;
  }

  /** Adds a connection of which nothing was read yet. One that is closed meanwhile is not admitted. */
  add(socket: Socket): void {
    this.arrive();
    const key = `${sourceOf(socket)}/${++this.count}`;
    this.sockets.set(key, socket);
    this.order.add(key);
    this.schedule();
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      this.arrivals = this.arrived ? this.arrivals + 1 : 0;
      if (this.arrivals % ARRIVALS === 0) {
        const next = this.take();
        if (next) this.admit(next);
      }
      this.arrived = false;
      if (this.order.size > 0) this.schedule();
    });
  }

  private take(): Socket | undefined {
    for (let key = this.order.shift(); key !== undefined; key = this.order.shift()) {
      const socket = this.sockets.get(key);
      this.sockets.delete(key);
      if (socket && !socket.destroyed) return socket;
    }
    return undefined;
  }
}
