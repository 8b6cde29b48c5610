// Compares templates with the CDK's own library, which knows what each changed property does to its resource.
// Standard input: [{"before": template, "after": template}, ...]; standard output: the changes of each.
const { fullDiff } = require("@aws-cdk/cloudformation-diff");

function changesOf({ before, after }) {
  const changes = [];
  fullDiff(before, after).resources.forEachDifference((logicalId, change) => {
    changes.push({
      logical_id: logicalId,
      type: change.newResourceType ?? change.oldResourceType,
      impact: change.changeImpact,
      properties: Object.entries(change.propertyUpdates).map(([name, update]) => ({
        name,
        impact: update.changeImpact,
      })),
      policies: Object.keys(change.otherChanges ?? {}).filter((name) => name.endsWith("Policy")),
    });
  });
  return changes;
}

let text = "";
process.stdin.on("data", (chunk) => (text += chunk));
process.stdin.on("end", () => process.stdout.write(JSON.stringify(JSON.parse(text).map(changesOf))));
