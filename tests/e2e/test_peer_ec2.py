# SPDX-License-Identifier: Apache-2.0
"""The strict peer's EC2, seen from boto3 and the aws CLI."""
import json

import pytest

from cloud import REGION, SUBNETS, TEMPLATE, boto
from test_peer import aws_cli, refusal, run_aws  # noqa: F401

pytest.importorskip("boto3", reason="boto3 is not in the tests' environment")
from botocore.exceptions import EndpointConnectionError, HTTPClientError  # noqa: E402

A, B, C = (SUBNETS["us-east-1" + zone] for zone in "abc")
RUN = "20261124T080301Z-1a2b3c4d-q7xk"


def fleet(token="t1", pools=(("g6.xlarge", A), ("g6.xlarge", B)), spot=True, tags=None, **more):
    tags = [{"Key": key, "Value": value}
            for key, value in (tags or {"branchline:run": RUN}).items()]
    asked = dict(
        ClientToken=token, Type="instant",
        SpotOptions={"AllocationStrategy": "price-capacity-optimized"},
        TargetCapacitySpecification={"TotalTargetCapacity": 1,
                                     "DefaultTargetCapacityType": "spot" if spot else "on-demand"},
        LaunchTemplateConfigs=[{
            "LaunchTemplateSpecification": {"LaunchTemplateId": TEMPLATE, "Version": "3"},
            "Overrides": [{"InstanceType": t, "SubnetId": s} for t, s in pools]}],
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("fleet", "instance")])
    return dict(asked, **more)


def codes(answer):
    return [error["ErrorCode"] for error in answer["Errors"]]


def ids(answer):
    return [id for one in answer["Instances"] for id in one["InstanceIds"]]


@pytest.fixture
def ec2(peer):
    return boto("ec2", peer)


def test_a_fleet_of_one(peer, ec2):
    answer = ec2.create_fleet(**fleet())
    one, = answer["Instances"]
    assert one["Lifecycle"] == "spot" and one["InstanceType"] == "g6.xlarge"
    # zone b is the cheaper one
    assert one["LaunchTemplateAndOverrides"]["Overrides"]["SubnetId"] == B
    told, = ec2.describe_instances(InstanceIds=ids(answer))["Reservations"][0]["Instances"]
    assert told["State"]["Name"] == "pending" and told["ClientToken"] == "t1"
    assert told["Tags"] == [{"Key": "branchline:run", "Value": RUN}]
    assert told["Placement"]["AvailabilityZone"] == "us-east-1b"
    assert told["InstanceLifecycle"] == "spot"
    told, = ec2.describe_instances(InstanceIds=ids(answer))["Reservations"][0]["Instances"]
    assert told["State"]["Name"] == "running"
    assert [one["id"] for one in peer.instances(live=True, run=RUN)] == ids(answer)
    assert peer.fleets()[0]["tags"] == {"branchline:run": RUN}


def test_a_token_is_remembered(peer, ec2):
    first = ec2.create_fleet(**fleet())
    again = ec2.create_fleet(**fleet())
    assert ids(again) == ids(first) and again["FleetId"] == first["FleetId"]
    for other in (fleet(spot=False), fleet(pools=(("g6.xlarge", B), ("g6.xlarge", A))),
                  fleet(tags={"branchline:run": RUN, "more": "1"})):
        assert refusal(ec2.create_fleet, **other) == (400, "IdempotentParameterMismatch")
    assert len(peer.instances()) == 1
    assert ids(ec2.create_fleet(**fleet(token="t2"))) != ids(first)
    # elsewhere it is another
    elsewhere = boto("ec2", peer, region_name="eu-west-1")
    assert ids(elsewhere.create_fleet(**fleet())) != ids(first)


def test_an_empty_answer_is_remembered_too(peer, ec2):
    peer.capacity(count=2)
    first = ec2.create_fleet(**fleet())
    assert ids(first) == [] and codes(first) == ["InsufficientInstanceCapacity"] * 2
    again = ec2.create_fleet(**fleet())
    assert again["FleetId"] == first["FleetId"] and ids(again) == []
    assert ids(ec2.create_fleet(**fleet(token="t2")))


def test_a_reply_lost_after_commit(peer, ec2):
    peer.script(operation="CreateFleet", cut="after")
    with pytest.raises((HTTPClientError, EndpointConnectionError)):
        ec2.create_fleet(**fleet())
    assert len(peer.instances()) == 1
    assert ids(ec2.create_fleet(**fleet())) == [peer.instances()[0]["id"]]


def test_errors_of_each_pool(peer, ec2):
    pools = (("p4d.24xlarge", A), ("g5.xlarge", A), ("g6.xlarge", B), ("g9.huge", C))
    peer.capacity("g5.*", code="VcpuLimitExceeded")
    peer.capacity("g6.xlarge", "us-east-1b", "spot", "UnfulfillableCapacity")
    answer = ec2.create_fleet(**fleet(pools=pools))
    assert sorted(codes(answer)) == ["InvalidFleetConfiguration", "InvalidFleetConfiguration",
                                     "UnfulfillableCapacity", "VcpuLimitExceeded"]
    assert "Unsupported" in codes(ec2.create_fleet(**fleet("t2", pools=pools[:1], spot=False)))
    peer.subnet(B, free=0)
    peer.capacity("*", code=None)
    answer = ec2.create_fleet(**fleet("t3", pools=pools[2:3]))
    assert codes(answer) == ["InsufficientFreeAddressesInSubnet"]
    answer = ec2.create_fleet(**fleet("t4", pools=(("g5.xlarge", A), ("g6.xlarge", B))))
    assert len(ids(answer)) == 1 and len(codes(answer)) == 1


@pytest.mark.parametrize("change, code", [
    (dict(Type="maintain"), "InvalidParameterValue"),
    (dict(ClientToken="x" * 65), "InvalidParameterValue"),
    (dict(ExcessCapacityTerminationPolicy="termination", Context="c", ValidFrom=1),
     "UnknownParameter"),
    (dict(SpotOptions={"AllocationStrategy": "cheapest"}), "InvalidParameterValue"),
])
def test_what_is_refused(peer, change, code):
    ec2 = boto("ec2", peer, config={"parameter_validation": False})
    assert refusal(ec2.create_fleet, **fleet(**change)) == (400, code)
    assert peer.instances() == [] == peer.fleets()


def test_templates_pools_and_tags_are_checked(peer):
    ec2 = boto("ec2", peer, config={"parameter_validation": False})

    def of(**change):
        return refusal(ec2.create_fleet, **fleet(**change))
    for version in ("$Latest", "$Default", "9"):
        asked = fleet()
        asked["LaunchTemplateConfigs"][0]["LaunchTemplateSpecification"]["Version"] = version
        assert refusal(ec2.create_fleet, **asked) == (400, "InvalidLaunchTemplateId.VersionNotFound")
    asked["LaunchTemplateConfigs"][0]["LaunchTemplateSpecification"] = {
        "LaunchTemplateId": "lt-00000000000000000", "Version": "1"}
    assert refusal(ec2.create_fleet, **asked) == (400, "InvalidLaunchTemplateId.NotFound")
    peer.subnet("subnet-0ddddddddddddddd4", zone="us-east-1a")
    twice = (("g6.xlarge", A), ("g6.xlarge", "subnet-0ddddddddddddddd4"))
    assert of(pools=twice) == (400, "InvalidFleetConfiguration")
    assert of(pools=(("g6.xlarge", "subnet-nowhere"),)) == (400, "InvalidSubnetID.NotFound")
    volume = [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]
    assert of(TagSpecifications=volume) == (400, "InvalidParameterValue")
    # with tags in IMDS such a key fails the launch, not the call
    answer = ec2.create_fleet(**fleet(token="t5", tags={"team/x": "1"}))
    assert codes(answer) == ["InvalidParameterValue"] * 2 and not ids(answer)
    peer.template(version=4, data={"metadataOptions": {"instanceMetadataTags": "disabled"}})
    asked = fleet(token="t6", tags={"team/x": "1"})
    asked["LaunchTemplateConfigs"][0]["LaunchTemplateSpecification"]["Version"] = "4"
    assert ids(ec2.create_fleet(**asked))


def test_dry_run(peer, ec2):
    assert refusal(ec2.create_fleet, **fleet(DryRun=True)) == (412, "DryRunOperation")
    nobody = peer.session(policy=json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "s3:*", "Resource": "*"}}))
    other = boto("ec2", peer, aws_access_key_id=nobody["key_id"], aws_session_token=nobody["token"],
                 aws_secret_access_key=nobody["secret"])
    assert refusal(other.create_fleet, **fleet(DryRun=True)) == (403, "UnauthorizedOperation")
    assert peer.instances() == []


def test_surplus_hidden_and_pending(peer, ec2):
    peer.options(ec2_surplus=1, ec2_hidden=2, ec2_pending=0)
    two = ids(ec2.create_fleet(**fleet()))
    assert len(two) == 2
    one = two[:1]
    for _ in range(2):
        assert refusal(ec2.describe_instances, InstanceIds=one) == (400, "InvalidInstanceID.NotFound")
    assert len(ec2.describe_instances(InstanceIds=one)["Reservations"]) == 1
    wanted = [{"Name": "tag:branchline:run", "Values": [RUN]}]
    assert len(ec2.describe_instances(Filters=wanted)["Reservations"]) == 1


def test_describe_pages_and_filters(peer, ec2):
    for n in range(12):
        peer.make_instance(tags={"branchline:run": f"run-{n % 2}"}, spot=n % 3 == 0,
                           state="terminated" if n == 11 else "running")

    def of(**filters):
        named = [{"Name": name.replace("_", "-"), "Values": values}
                 for name, values in filters.items()]
        pages = ec2.get_paginator("describe_instances").paginate(
            Filters=named, PaginationConfig={"PageSize": 5})
        return [one for page in pages for r in page["Reservations"] for one in r["Instances"]]
    assert len(of()) == 12
    assert len([e for e in peer.log("DescribeInstances")]) == 3
    assert len(of(**{"tag:branchline:run": ["run-1"]})) == 6
    assert len(of(**{"tag:branchline:run": ["run-1"]}, instance_state_name=["running"])) == 5
    assert len(of(**{"tag:branchline:run": ["run-*"]}, instance_lifecycle=["spot"])) == 4
    assert refusal(ec2.describe_instances, Filters=[{"Name": "colour", "Values": ["x"]}]) == (
        400, "InvalidParameterValue")
    first = peer.instances()[0]["id"]
    assert refusal(ec2.describe_instances, InstanceIds=[first], MaxResults=5) == (
        400, "InvalidParameterCombination")
    assert refusal(ec2.describe_instances, NextToken="mine") == (400, "InvalidNextToken")
    assert refusal(ec2.describe_instances, InstanceIds=["i-1"]) == (400, "InvalidInstanceID.Malformed")


def test_terminate(peer, ec2):
    ones = [peer.make_instance(state="running")["id"] for _ in range(2)]
    bad = "i-00000000000000000"
    assert refusal(ec2.terminate_instances, InstanceIds=[*ones, bad]) == (
        400, "InvalidInstanceID.NotFound")
    assert len(peer.instances(live=True)) == 2
    for _ in range(2):
        told = ec2.terminate_instances(InstanceIds=ones)["TerminatingInstances"]
        assert [one["CurrentState"]["Name"] for one in told] == ["shutting-down"] * 2
    for state in ("shutting-down", "terminated"):
        told = ec2.describe_instances(InstanceIds=ones[:1])["Reservations"][0]["Instances"][0]
        assert told["State"]["Name"] == state
        assert told["StateReason"]["Code"] == "Client.UserInitiatedShutdown"


def test_lives_are_played(peer, ec2):
    one, = ids(ec2.create_fleet(**fleet()))
    peer.instance(one, state="terminated", reason="Server.SpotInstanceTermination",
                  console="cloud-init: line 7\n")
    told = ec2.describe_instances(InstanceIds=[one])["Reservations"][0]["Instances"][0]
    assert told["State"]["Name"] == "terminated"
    assert told["StateReason"]["Code"] == "Server.SpotInstanceTermination"
    assert ec2.get_console_output(InstanceId=one)["Output"] == "cloud-init: line 7\n"
    silent = peer.make_instance()["id"]
    assert "Output" not in ec2.get_console_output(InstanceId=silent)


def test_the_market(peer, ec2):
    types = ec2.describe_instance_types(InstanceTypes=["g6.xlarge", "p4d.24xlarge"])["InstanceTypes"]
    assert {t["InstanceType"]: t["GpuInfo"]["Gpus"][0]["Count"] for t in types} == {
        "g6.xlarge": 1, "p4d.24xlarge": 8}
    assert refusal(ec2.describe_instance_types, InstanceTypes=["g9.huge"]) == (
        400, "InvalidInstanceType")
    some = [{"Name": "instance-type", "Values": ["g9.huge", "g6e.xlarge"]}]
    assert len(ec2.describe_instance_types(Filters=some)["InstanceTypes"]) == 1
    offers = ec2.describe_instance_type_offerings(LocationType="availability-zone", Filters=some)
    assert [o["Location"] for o in offers["InstanceTypeOfferings"]] == ["us-east-1a", "us-east-1b"]
    peer.spot_price("g6.xlarge", "us-east-1a", 0.25)
    peer.options(ec2_page=2)
    history = ec2.get_paginator("describe_spot_price_history").paginate(
        InstanceTypes=["g6.xlarge"], ProductDescriptions=["Linux/UNIX"])
    prices = [p for page in history for p in page["SpotPriceHistory"]]
    assert len(prices) == 6
    newest = max((p for p in prices if p["AvailabilityZone"] == "us-east-1a"),
                 key=lambda p: p["Timestamp"])
    assert newest["SpotPrice"] == "0.250000"


def test_templates_and_subnets(peer, ec2):
    peer.template(version=7, tags={"team": "x"}, drop=["instanceInitiatedShutdownBehavior"])
    told, = ec2.describe_launch_template_versions(
        LaunchTemplateId=TEMPLATE, Versions=["7"])["LaunchTemplateVersions"]
    data = told["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["TagSpecifications"] == [{"ResourceType": "instance",
                                          "Tags": [{"Key": "team", "Value": "x"}]}]
    assert "InstanceInitiatedShutdownBehavior" not in data
    told, = ec2.describe_subnets(SubnetIds=[C])["Subnets"]
    assert told["AvailabilityZone"] == "us-east-1c" and told["AvailableIpAddressCount"] == 251
    assert refusal(ec2.describe_subnets, SubnetIds=["subnet-x"]) == (400, "InvalidSubnetID.NotFound")


def test_signatures(peer):
    def of(**more):
        return refusal(boto("ec2", peer, **more).describe_instances)
    assert of(aws_secret_access_key="wrong") == (401, "AuthFailure")
    assert of(aws_access_key_id="AKIANOBODY") == (401, "AuthFailure")
    over = peer.session(60)
    peer.expire()
    assert of(aws_access_key_id=over["key_id"], aws_secret_access_key=over["secret"],
              aws_session_token=over["token"]) == (400, "RequestExpired")
    peer.clock(3600)
    assert of() == (401, "AuthFailure")


def test_a_policy_by_the_tag_of_a_run(peer):
    mine, other = (peer.make_instance(state="running", tags={"branchline:run": run})["id"]
                   for run in (RUN, "another"))
    told = peer.session(policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"},
        {"Effect": "Allow", "Action": "ec2:TerminateInstances", "Resource": "*",
         "Condition": {"StringEquals": {"ec2:ResourceTag/branchline:run": RUN}}}]}))
    ec2 = boto("ec2", peer, aws_access_key_id=told["key_id"], aws_secret_access_key=told["secret"],
               aws_session_token=told["token"])
    assert refusal(ec2.terminate_instances, InstanceIds=[mine, other]) == (
        403, "UnauthorizedOperation")
    ec2.terminate_instances(InstanceIds=[mine])
    assert [one["id"] for one in peer.instances(live=True)] == [other]


def test_aws_cli(peer, aws_cli):  # noqa: F811
    one = peer.make_instance(state="running", tags={"branchline:run": RUN})["id"]
    told = run_aws(aws_cli, peer, "ec2", "describe-instances", "--filters",
                   f"Name=tag:branchline:run,Values={RUN}", "--query",
                   "Reservations[].Instances[].InstanceId", "--output", "text", "--region", REGION)
    assert told.stdout.strip() == one
    run_aws(aws_cli, peer, "ec2", "terminate-instances", "--instance-ids", one)
    assert peer.instances(live=True) == []
