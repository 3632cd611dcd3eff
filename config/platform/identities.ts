import type { Problem } from "../schema/problem";
import type { ValidAreas } from "./areas";

/** EKS allows one Pod Identity association per ServiceAccount, and Karpenter's controller has its own. */
export function checkIdentities({ karpenter, storage, imageRepository }: ValidAreas): Problem[] {
  if (!karpenter) return [];
  const { namespace, serviceAccount } = karpenter;
  const lists = [
    [["storage", "writers"], storage?.writers],
    [["storage", "readers"], storage?.readers],
    [["imageRepository", "writers"], imageRepository?.writers],
    [["imageRepository", "pushers"], imageRepository?.pushers],
    [["imageRepository", "checkers"], imageRepository?.checkers],
  ] as const;
  return lists.flatMap(([path, accounts = []]) =>
    accounts.flatMap((account, index) =>
      account.namespace === namespace && account.serviceAccount === serviceAccount
        ? [
            {
              code: "second-identity",
              path: [...path, index],
              message: "is Karpenter's ServiceAccount, which already has a role",
              given: `${namespace}/${serviceAccount}`,
              allowed: "another ServiceAccount: EKS gives each one role",
            },
          ]
        : [],
    ),
  );
}
