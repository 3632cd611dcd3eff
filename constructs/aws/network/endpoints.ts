import type { ITerraformDependable } from "cdktf";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import type { Construct } from "constructs";

interface EndpointProps {
  readonly name: string;
  readonly region: string;
  readonly vpcId: string;
}

/** Services whose endpoints have a separate domain in China; logs, ssm, kms and others do not (DescribeVpcEndpointServices). */
const CHINA_DOMAIN_SERVICES = [
  "application-autoscaling",
  "autoscaling",
  "ebs",
  "ec2",
  "ecr.api",
  "ecr.dkr",
  "eks",
  "elasticfilesystem",
  "fsx",
  "monitoring",
  "sqs",
  "sts",
];

/** Returns the endpoint service name. A full name is returned unchanged. */
function endpointService(region: string, service: string): string {
  if (/^(cn\.)?com\.amazonaws\./.test(service)) return service;
  const domain = region.startsWith("cn-") && CHINA_DOMAIN_SERVICES.includes(service) ? "cn.com" : "com";
  return `${domain}.amazonaws.${region}.${service}`;
}

/** Creates the free gateway endpoint of S3 in all given route tables. */
export function s3Endpoint(scope: Construct, props: EndpointProps, routeTableIds: string[]): VpcEndpoint {
  return new VpcEndpoint(scope, "s3-endpoint", {
    vpcId: props.vpcId,
    serviceName: endpointService(props.region, "s3"),
    vpcEndpointType: "Gateway",
    routeTableIds,
    tags: { Name: `${props.name}-s3` },
  });
}

/** Creates interface endpoints that the whole VPC may use over HTTPS. */
export function interfaceEndpoints(
  scope: Construct,
  props: EndpointProps & { readonly cidr: string; readonly subnetIds: string[] },
  services: readonly string[],
): ITerraformDependable[] {
  if (services.length === 0) return [];
  const group = new SecurityGroup(scope, "endpoint-group", {
    vpcId: props.vpcId,
    namePrefix: `${props.name}-endpoints-`,
    description: "HTTPS from the VPC to its interface endpoints",
    lifecycle: { createBeforeDestroy: true },
  });
  const ingress = new VpcSecurityGroupIngressRule(scope, "endpoint-ingress", {
    securityGroupId: group.id,
    ipProtocol: "tcp",
    fromPort: 443,
    toPort: 443,
    cidrIpv4: props.cidr,
    description: "HTTPS from the VPC",
  });
  const endpoints = services.map(
    (service) =>
      new VpcEndpoint(scope, `endpoint-${service}`, {
        vpcId: props.vpcId,
        serviceName: endpointService(props.region, service),
        vpcEndpointType: "Interface",
        privateDnsEnabled: true,
        subnetIds: props.subnetIds,
        securityGroupIds: [group.id],
        tags: { Name: `${props.name}-${service}` },
      }),
  );
  return [ingress, ...endpoints];
}
