-- What can be put into MLflow's database beside what the project wrote (tests/tampering_beside.py).
-- A heading has a name and what `pcr verify` must then say.

--- a trigger | trigger mine
create trigger mine after insert on registered_model_aliases
begin update registered_model_aliases set version = 2; end;

--- an alias in other letters | alias 'Champion'
insert into registered_model_aliases (name, alias, version, workspace)
select name, 'Champion', version, workspace from registered_model_aliases where alias = 'champion';

--- a view | view approved
create view approved as select * from runs;

--- an alias of another script | foreign: alias
insert into registered_model_aliases (name, alias, version, workspace)
select name, char(1089) || 'hampion', version, workspace from registered_model_aliases where alias = 'champion';

--- an alias of one letter more | foreign: alias
insert into registered_model_aliases (name, alias, version, workspace)
select name, 'champion2', version, workspace from registered_model_aliases where alias = 'champion';

--- a model whose name looks the same | registered model
insert into registered_models (name, creation_time, last_updated_time, workspace)
select 'pcr' || char(8208) || 'made-up-c1', creation_time, last_updated_time, workspace from registered_models;

--- an alias of another model | alias champion
insert into registered_models (name, creation_time, last_updated_time, workspace)
select 'pcr-made-up-c9', creation_time, last_updated_time, workspace from registered_models;
update registered_model_aliases set name = 'pcr-made-up-c9' where alias = 'champion';

--- a tag like ours | tag pcr.approved
insert into model_version_tags (name, version, key, value, workspace)
select name, version, 'pcr.approved', 'x', workspace from model_version_tags where key = 'pcr.manifest';

--- a tag in other letters | tag PCR.MANIFEST
insert into model_version_tags (name, version, key, value, workspace)
select name, version, 'PCR.MANIFEST', 'x', workspace from model_version_tags where key = 'pcr.manifest';

--- an entry of the history in other letters | tag 'pcr.History.00002'
insert into registered_model_tags (name, key, value, workspace)
select name, 'pcr.History.00002', 'x', workspace from registered_models;

--- a metric that is no number | metric AUC
update latest_metrics set is_nan = 1 where key = 'AUC';

--- an earlier value of a metric | metric AUC
insert into metrics (key, value, timestamp, run_uuid, step, is_nan)
select key, 0.99, timestamp - 1, run_uuid, step - 1, is_nan from metrics where key = 'AUC';

--- another value in the chart of a metric | metric AUC
update metrics set value = 0.99 where key = 'AUC';

--- data from elsewhere | data features
update datasets set dataset_source = '{"uri": "elsewhere"}';

--- data of more rows | data features
update datasets set dataset_profile = '{"num_rows": 100000}';

--- data of another use | data features
update input_tags set value = 'validation';

--- a tag of the stored files | tags of the stored
insert into logged_model_tags (model_id, experiment_id, tag_key, tag_value)
select model_id, experiment_id, 'approved', 'yes' from logged_models;

--- a metric of the stored files | metrics of the stored
insert into logged_model_metrics
(model_id, metric_name, metric_timestamp_ms, metric_step, metric_value, experiment_id, run_id)
select model_id, 'AUC', 1, 0, 0.99, experiment_id, source_run_id from logged_models;

--- a parameter of the stored files | parameters of the stored
insert into logged_model_params (model_id, experiment_id, param_key, param_value)
select model_id, experiment_id, 'approved', 'yes' from logged_models;

--- a type of the stored files | type of the stored
update logged_models set model_type = 'agent';

--- a stage | the stage of
update model_versions set current_stage = 'Production';

--- a run below another | the parent of the run
update tags set value = run_uuid where key = 'mlflow.parentRunId';

--- a link to another run | the link to a run
update model_versions set run_link = 'http://x';

--- a commit for MLflow's page | tag mlflow.source.git.commit
insert into tags (key, value, run_uuid) select 'mlflow.source.git.commit', 'f00', run_uuid from runs;

--- a name that is written backwards | the name of the run
update runs set name = name || char(8238);
