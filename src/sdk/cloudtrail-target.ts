/**
 * What a CloudTrail record's call was made on: the first of its `resources`, else the resource that its parameters name,
 * else the service itself. All resources and parameters are in the event besides.
 */
import type { JsonObject, JsonValue } from '../../proofs/canonical-json.ts';
import { isObject } from '../../proofs/fields.ts';
import { idText, memberOf, nameText } from './cloudtrail-record.ts';

/** Parameters that name a resource, most telling first, and the type of what they name. */
const PARAMETERS: readonly (readonly [parameter: string, type: string])[] = [
  ['bucketName', 'AWS::S3::Bucket'],
  ['functionName', 'AWS::Lambda::Function'],
  ['secretId', 'AWS::SecretsManager::Secret'],
  ['keyId', 'AWS::KMS::Key'],
  ['instanceId', 'AWS::EC2::Instance'],
  ['instanceProfileName', 'AWS::IAM::InstanceProfile'],
  ['roleArn', 'AWS::IAM::Role'],
  ['roleName', 'AWS::IAM::Role'],
  ['userName', 'AWS::IAM::User'],
  ['groupName', 'AWS::IAM::Group'],
  ['policyArn', 'AWS::IAM::ManagedPolicy'],
  ['groupId', 'AWS::EC2::SecurityGroup'],
  ['snapshotId', 'AWS::EC2::Snapshot'],
  ['volumeId', 'AWS::EC2::Volume'],
  ['imageId', 'AWS::EC2::Image'],
  ['subnetId', 'AWS::EC2::Subnet'],
  ['routeTableId', 'AWS::EC2::RouteTable'],
  ['vpcId', 'AWS::EC2::VPC'],
  ['dBInstanceIdentifier', 'AWS::RDS::DBInstance'],
  ['dBSnapshotIdentifier', 'AWS::RDS::DBSnapshot'],
  ['tableName', 'AWS::DynamoDB::Table'],
  ['queueUrl', 'AWS::SQS::Queue'],
  ['topicArn', 'AWS::SNS::Topic'],
  ['trailName', 'AWS::CloudTrail::Trail'],
  ['clusterName', 'AWS::ECS::Cluster'],
  ['stackName', 'AWS::CloudFormation::Stack'],
  ['documentName', 'AWS::SSM::Document'],
  ['trustAnchorId', 'AWS::RolesAnywhere::TrustAnchor'],
];

export function targetOf(record: JsonObject): JsonObject {
  return resourceTarget(record['resources']) ?? parameterTarget(record) ?? serviceTarget(record);
}

function resourceTarget(resources: JsonValue | undefined): JsonObject | undefined {
  for (const resource of Array.isArray(resources) ? resources : []) {
    const arn = idText(memberOf(resource, 'ARN')) ?? idText(memberOf(resource, 'ARNPrefix'));
    if (arn !== undefined) return { type: nameText(memberOf(resource, 'type')) ?? arnType(arn), id: arn };
  }
  return undefined;
}

function parameterTarget(record: JsonObject): JsonObject | undefined {
  const parameters = record['requestParameters'];
  if (!isObject(parameters)) return undefined;
  for (const [parameter, type] of PARAMETERS) {
    const id = idText(memberOf(parameters, parameter));
    if (id !== undefined) return { type: id.startsWith('arn:') ? arnType(id, type) : type, id };
  }
  const arn = Object.values(parameters).find((value) => typeof value === 'string' && value.startsWith('arn:'));
  const id = idText(arn);
  return id === undefined ? undefined : { type: arnType(id), id };
}

function serviceTarget(record: JsonObject): JsonObject {
  return { type: 'AWS::Service', id: idText(record['eventSource']) ?? 'unknown' };
}

/** `arn:partition:service:…` */
function arnType(arn: string, known?: string): string {
  return known ?? nameText(`AWS::${arn.split(':')[2] ?? ''}`) ?? 'AWS::Service';
}
