/**
 * SPDX licences of what is taken from Debian's source packages: of the libraries, not of tools and tests beside them. Read from
 * each package's copyright file, which goes into the image as it is.
 */
export const LICENCES = {
  criu: "GPL-2.0-only",
  glibc: "LGPL-2.1-or-later",
  gmp: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  gnutls28: "LGPL-2.1-or-later",
  iptables: "GPL-2.0-only",
  jansson: "MIT",
  libbsd: "BSD-3-Clause AND BSD-2-Clause AND ISC",
  libffi: "MIT",
  libidn2: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  libmd: "BSD-3-Clause AND BSD-2-Clause AND ISC AND Beerware",
  libmnl: "LGPL-2.1-or-later",
  libnet: "BSD-2-Clause AND BSD-3-Clause",
  libnftnl: "GPL-2.0-or-later",
  libnl3: "LGPL-2.1-only",
  "libtasn1-6": "LGPL-2.1-or-later",
  libunistring: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  nettle: "LGPL-3.0-or-later OR GPL-2.0-or-later",
  nftables: "GPL-2.0-only",
  "p11-kit": "BSD-3-Clause",
  "protobuf-c": "BSD-2-Clause",
  "util-linux": "BSD-3-Clause",
};
