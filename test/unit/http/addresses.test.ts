import type { LookupAddress } from "node:dns";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Deadline, NoResponseError, open, refusedAddress } from "../../../http";
import { refusingLookup } from "../../../http/addresses";

test.each([
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["0.0.0.0", "not the address of a host"],
  ["169.254.169.254", "link-local"],
  ["169.254.170.23", "link-local"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "multicast or reserved"],
  ["::1", "loopback"],
  ["::", "loopback"],
  ["::127.0.0.1", "loopback"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:a9fe:a9fe", "link-local"],
  ["fe80::1", "link-local"],
  ["febf::1", "link-local"],
  ["fd00:ec2::254", "metadata"],
  ["ff02::1", "multicast"],
  ["64:ff9b::a9fe:a9fe", "link-local"],
  ["64:ff9b::7f00:1", "loopback"],
  ["64:ff9b::e000:1", "multicast"],
  ["64:ff9b:1::a9fe:a9fe", "translator"],
  ["2002:a9fe:a9fe::1", "tunnel"],
  ["2001:0:a9fe:a9fe::1", "tunnel"],
  ["::ffff:0:169.254.169.254", "translator"],
  ["localhost", "not an IP address"],
  ["", "not an IP address"],
  ["fe80::1%eth0 ", "not an IP address"],
])("%s is refused: %s", (address, why) => {
  expect(refusedAddress(address)).toContain(why);
});

test.each([
  "10.0.0.1",
  "192.168.1.1",
  "172.20.0.1",
  "100.64.0.1",
  "203.0.113.7",
  "126.255.255.255",
  "128.0.0.1",
  "169.253.255.255",
  "223.255.255.255",
  "fd00::1",
  "fec0::1",
  "2600:1f18::1",
  "::ffff:10.0.0.1",
  "64:ff9b::808:808",
])("%s may be connected to", (address) => {
  expect(refusedAddress(address)).toBeUndefined();
});

describe("a lookup", () => {
  const lookup = (found: string | LookupAddress[] | Error) =>
    new Promise((resolve, reject) => {
      const resolver = (_: string, __: object, done: (...all: unknown[]) => void) =>
        found instanceof Error ? done(found) : done(null, found, 4);
      refusingLookup(refusedAddress, resolver as never)("hooks.example.com", {}, (error, address) =>
        error ? reject(error) : resolve(address),
      );
    });
  const all = (...addresses: string[]) => addresses.map((address) => ({ address, family: 4 }));

  test("returns the addresses of the name", async () => {
    expect(await lookup("203.0.113.7")).toBe("203.0.113.7");
    expect(await lookup(all("203.0.113.7", "10.0.0.1"))).toEqual(all("203.0.113.7", "10.0.0.1"));
  });

  test("fails if one of several addresses is refused", async () => {
    const text = "the address 169.254.169.254 is refused: it is a link-local address";
    await expect(lookup("169.254.169.254")).rejects.toThrow(text);
    await expect(lookup(all("203.0.113.7", "169.254.169.254"))).rejects.toThrow(text);
    await expect(lookup("nothing")).rejects.toThrow("it is not an IP address");
    await expect(lookup(new Error("ENOTFOUND"))).rejects.toThrow("ENOTFOUND");
  });
});

test.each(["127.0.0.1", "localhost", "0x7f.1", "[::1]", "[::ffff:7f00:1]"])(
  "no connection is opened to %s, and nothing is sent",
  async (host) => {
    let connections = 0;
    const server = createServer((_, response) => void response.end());
    server.on("connection", () => connections++);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    const deadline = new Deadline(5000, "no response");
    const url = new URL(`http://${host}:${port}/`);
    const error = await open({ method: "GET", url, refuse: refusedAddress }, deadline).catch(
      (caught: unknown) => caught,
    );
    deadline.close();
    server.close();
    expect(error).toBeInstanceOf(NoResponseError);
    expect(error).toMatchObject({ sent: false, code: "EADDRREFUSED" });
    expect(connections).toBe(0);
  },
);
